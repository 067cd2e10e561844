//! The log on standard error. A terminal that is slow or paused does not hold up the program.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::CliError;
use crate::globals::Globals;
use crate::text;

/// The modules whose errors are lines of `listen`: what was received, and the ends of attempts.
const SHOWN_ANYWAY: [&str; 2] = ["onramp_webhooks::receiver", "onramp_webhooks::worker::attempt"];

/// The number of events that wait for the terminal. Further ones are left out.
const WAITING: usize = 1_024;

/// Time for the last events at the end.
const LAST_EVENTS: Duration = Duration::from_millis(500);

/// The log. Dropping it waits for the last events.
pub(crate) struct Log(Arc<Counts>);

/// Numbers of events.
#[derive(Default)]
struct Counts {
    waiting: AtomicU64,
    left_out: AtomicU64,
}

/// Starts the log. By default, it has errors that no command reports otherwise.
pub(crate) fn start(globals: &Globals) -> Result<Log, CliError> {
    let targets = match globals.verbose {
        0 => Targets::new().with_default(LevelFilter::ERROR).with_targets(SHOWN_ANYWAY.map(|target| (target, LevelFilter::OFF))),
        1 => Targets::new().with_default(LevelFilter::WARN),
        2 => Targets::new().with_default(LevelFilter::INFO),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    let (events, received) = sync_channel(WAITING);
    let counts = Arc::new(Counts::default());
    let (log, counted) = (Log(Arc::clone(&counts)), Arc::clone(&counts));
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&received, &counted));
    thread.map_err(|error| CliError::with_source("starting a thread", &error))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let lines = lines.with_writer(move || Events { events: events.clone(), counts: Arc::clone(&counts) });
    // Fails only if there is a log already.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    Ok(log)
}

impl Drop for Log {
    fn drop(&mut self) {
        let end = Instant::now() + LAST_EVENTS;
        while self.0.waiting.load(Ordering::Acquire) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Passes events to the thread that writes them. Never blocks.
struct Events {
    events: SyncSender<String>,
    counts: Arc<Counts>,
}

impl Write for Events {
    /// Escapes data from outside. Each event of the log is one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text::escaped(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
        self.counts.waiting.fetch_add(1, Ordering::AcqRel);
        if self.events.try_send(line).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
            self.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(events: &Receiver<String>, counts: &Counts) {
    for line in events {
        let left_out = match counts.left_out.swap(0, Ordering::Relaxed) {
            0 => String::new(),
            number => format!("{number} lines of the log left out: standard error is too slow\n"),
        };
        // Standard error may be closed.
        let _ = io::stderr().write_all(format!("{left_out}{line}\n").as_bytes());
        counts.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
