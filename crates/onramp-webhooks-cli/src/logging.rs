//! The log on standard error.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::globals::Globals;
use crate::text;

/// The modules whose errors are lines of `listen`: what was received, and the ends of attempts.
const SHOWN_ANYWAY: [&str; 2] = ["onramp_webhooks::receiver", "onramp_webhooks::worker::attempt"];

/// Starts the log. By default, it has errors that no command reports otherwise.
pub(crate) fn start(globals: &Globals) {
    let targets = match globals.verbose {
        0 => Targets::new().with_default(LevelFilter::ERROR).with_targets(SHOWN_ANYWAY.map(|target| (target, LevelFilter::OFF))),
        1 => Targets::new().with_default(LevelFilter::WARN),
        2 => Targets::new().with_default(LevelFilter::INFO),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Escaping);
    // Fails only if there is a log already.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
}

/// Writes to standard error, and escapes data from outside. Each event of the log is one call.
struct Escaping;

impl Write for Escaping {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text::escaped(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
        io::stderr().write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
