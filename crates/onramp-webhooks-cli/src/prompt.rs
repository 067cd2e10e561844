//! Questions on the terminal.

use std::io::{self, BufRead, IsTerminal};

use crate::exit::CliError;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;

/// Maximum length of an answer, in bytes.
const LONGEST: u64 = 1_024;

/// An answer.
pub(crate) enum Answer {
    /// A line without its end and the space around it. Empty at the end of the input.
    Line(String),
    /// The user has pressed Ctrl-C.
    Interrupted,
}

/// Returns whether a user can be asked: standard input and standard error are terminals.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, and reads one line of standard input.
pub(crate) async fn ask(question: &Line, output: &Output) -> Result<Answer, CliError> {
    output.question(question);
    let mut interrupts = Interrupts::listen()?;
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::Read::take(io::stdin().lock(), LONGEST).read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        () = interrupts.next() => Ok(Answer::Interrupted),
        line = reading => match line {
            Ok(Ok(line)) => Ok(Answer::Line(line.trim().to_owned())),
            // A closed input, and one that is no text, is no answer.
            Ok(Err(_)) | Err(_) => Ok(Answer::Line(String::new())),
        }
    }
}
