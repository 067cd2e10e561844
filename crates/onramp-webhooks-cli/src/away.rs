//! Databases that go away while a command watches them.

use onramp_webhooks::StoreError;

use crate::exit::Causes;
use crate::output::Output;
use crate::text::Line;

/// The result of the last look: `true` if it failed.
#[derive(Default)]
pub(crate) struct Away(bool);

impl Away {
    /// Returns what a look found. The first of several failures is noted, and the success that follows them.
    pub(crate) fn is_waited_for<T>(&mut self, look: Result<T, StoreError>, output: &Output) -> Option<T> {
        match &look {
            Err(error) if !self.0 => output.note(&Line::new().text(format_args!("{}; waiting", Causes(error)))),
            Ok(_) if self.0 => output.note(&Line::new().text("the database is back")),
            _ => {}
        }
        self.0 = look.is_err();
        look.ok()
    }
}
