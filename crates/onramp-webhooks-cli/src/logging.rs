//! The log on standard error.

use std::io::{self, Write};

use tracing::Level;

use crate::globals::Globals;
use crate::text;

/// Starts the log, if the user wants to see it.
pub(crate) fn start(globals: &Globals) {
    let level = match globals.verbose {
        0 => return,
        1 => Level::WARN,
        2 => Level::INFO,
        _ => Level::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(|| Escaping);
    // Fails only if there is a log already.
    let _ = log.try_init();
}

/// Writes to standard error, and escapes data from outside.
struct Escaping;

impl Write for Escaping {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(text::escaped_lines(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
