//! The progress bar.

use indicatif::{ProgressBar, ProgressStyle};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks_client::wert::{Checkpoint, Phase, Step};

use crate::output::Output;

const TEMPLATE: &str = "{msg} [{bar:30}] {percent:>3} %  {elapsed}";

/// A progress bar on standard error that spans the window of the run. Hidden if standard error is not a terminal, or the user wants no progress.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(checkpoint: &Checkpoint, output: &Output) -> Self {
        let (since, until) = (checkpoint.window.since, checkpoint.window.until);
        let bar = ProgressBar::with_draw_target(Some(seconds(since, until).max(1)), output.progress());
        let progress = Self(ProgressStyle::with_template(TEMPLATE).map_or(bar.clone(), |style| bar.with_style(style)));
        progress.update(checkpoint, &Step::default());
        progress
    }

    /// Updates the bar after a step.
    pub(crate) fn update(&self, checkpoint: &Checkpoint, step: &Step) {
        let (window, summary) = (checkpoint.window, &checkpoint.summary);
        let found = summary.open() + summary.repaired;
        match checkpoint.phase {
            Phase::Orders(_) => {
                self.0.set_message(format!("{} orders at Wert, {found} findings", summary.orders));
                self.0.set_position(step.reached.map_or(0, |reached| seconds(window.since, reached)));
            }
            _ => {
                self.0.set_message(format!("{} deliveries, {found} findings", summary.deliveries));
                self.0.set_position(step.reached.map_or(0, |reached| seconds(reached, window.until)));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    to.since(from).as_secs()
}
