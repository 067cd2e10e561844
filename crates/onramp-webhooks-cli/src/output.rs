//! Standard output for results, and standard error for everything else.

use std::borrow::Borrow;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use indicatif::ProgressDrawTarget;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::exit::CliError;
use crate::globals::{ColorWhen, Globals};
use crate::text::{self, Line};

/// The style of errors and of what needs an operator.
pub(crate) const RED: Style = AnsiColor::Red.on_default();

/// The style of what went well.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();

/// The style of what waits.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The style of the next step after an error.
pub(crate) const BOLD: Style = Style::new().bold();

/// The only way to the terminal. Data from outside is escaped on it.
#[derive(Clone)]
pub(crate) struct Output {
    /// `true` if results are JSON.
    pub(crate) json: bool,
    /// The time zone of times in text.
    pub(crate) zone: TimeZone,
    quiet: bool,
    /// `true` after the reader of standard output has gone.
    is_closed: Arc<AtomicBool>,
    out: ColorChoice,
    err: ColorChoice,
}

impl Output {
    pub(crate) fn new(globals: &Globals) -> Self {
        Self {
            json: globals.json,
            zone: if globals.utc { TimeZone::UTC } else { TimeZone::system() },
            quiet: globals.quiet,
            is_closed: Arc::default(),
            out: choice(globals.color, &io::stdout()),
            err: choice(globals.color, &io::stderr()),
        }
    }

    /// Writes a line of a result to standard output.
    pub(crate) fn line(&self, line: &Line) -> Result<(), CliError> {
        self.some([line])
    }

    /// Writes an address or a name, and its label, to standard output.
    pub(crate) fn labeled(&self, label: &str, text: &str) -> Result<(), CliError> {
        self.line(&Line::new().text(format_args!("  {label:<10}  ")).styled(BOLD, text))
    }

    /// Writes lines of a result to standard output, at once.
    pub(crate) fn some(&self, lines: impl IntoIterator<Item = impl Borrow<Line>>) -> Result<(), CliError> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.borrow().as_str());
            text.push('\n');
        }
        let mut out = AutoStream::new(io::stdout().lock(), self.out);
        self.written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Writes several lines of a result to standard output.
    pub(crate) fn lines(&self, text: &str) -> Result<(), CliError> {
        text.split_terminator('\n').try_for_each(|line| self.line(&Line::new().text(line)))
    }

    /// Writes one object of a result to standard output.
    pub(crate) fn object(&self, object: &impl Serialize) -> Result<(), CliError> {
        self.objects([object])
    }

    /// Writes objects of a result to standard output, at once.
    pub(crate) fn objects(&self, objects: impl IntoIterator<Item = impl Serialize>) -> Result<(), CliError> {
        let mut text = String::new();
        for object in objects {
            let json = serde_json::to_string(&object).map_err(|error| CliError::with_source("writing JSON", &error))?;
            text.push_str(&text::escaped_json(&json));
            text.push('\n');
        }
        self.raw(text.as_bytes())
    }

    /// Writes bytes that the program has made to standard output, as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        self.written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Accepts a pipe that its reader, such as `head`, has closed.
    fn written(&self, result: io::Result<()>) -> Result<(), CliError> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_closed.store(true, Ordering::Relaxed),
            Err(error) => return Err(CliError::with_source("writing the result", &error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Returns whether the reader of standard output has gone. A command that only reads ends then.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed) || has_no_reader()
    }

    /// Writes a line to standard error, unless the user wants to see results only.
    pub(crate) fn note(&self, line: &Line) {
        if !self.quiet {
            self.on_stderr(line);
        }
    }

    /// Writes a question to standard error, and leaves the cursor behind it.
    pub(crate) fn question(&self, question: &Line) {
        let mut err = AutoStream::new(io::stderr().lock(), self.err);
        let _ = write!(err, "{} ", question.as_str()).and_then(|()| err.flush());
    }

    /// Returns the width of the terminal; `None` if standard output is none.
    pub(crate) fn width(&self) -> Option<usize> {
        io::stdout().is_terminal().then(|| usize::from(console::Term::stdout().size().1))
    }

    /// Returns the place of progress bars: standard error, if it is a terminal.
    pub(crate) fn progress(&self) -> ProgressDrawTarget {
        if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
    }

    /// Writes a warning to standard error.
    pub(crate) fn warning(&self, warning: &str) {
        self.on_stderr(&Line::new().text("warning: ").text(warning));
    }

    /// Writes an error and the next step to standard error.
    pub(crate) fn error(&self, error: &CliError) {
        self.on_stderr(&Line::new().styled(RED, "error:").text(" ").text(error));
        if let Some(next) = error.next_step() {
            self.on_stderr(&Line::new().text("  → ").styled(BOLD, next));
        }
    }

    /// Writes to standard error, which may be closed.
    fn on_stderr(&self, line: &Line) {
        let _ = writeln!(AutoStream::new(io::stderr().lock(), self.err), "{}", line.as_str());
    }
}

fn choice(when: ColorWhen, stream: &impl anstream::stream::RawStream) -> ColorChoice {
    match when {
        ColorWhen::Auto => AutoStream::choice(stream),
        ColorWhen::Always => ColorChoice::Always,
        ColorWhen::Never => ColorChoice::Never,
    }
}

/// Looks without writing: a command that waits for deliveries may write nothing for long.
#[cfg(unix)]
fn has_no_reader() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = io::stdout();
    let mut looked_at = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut looked_at, Some(&at_once)).is_ok_and(|_| looked_at.iter().any(|it| it.revents().contains(PollFlags::ERR)))
}

#[cfg(not(unix))]
const fn has_no_reader() -> bool {
    false
}
