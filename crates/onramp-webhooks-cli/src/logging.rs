//! The log on standard error. A terminal that is slow or paused does not hold up the program.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

/// The log. Dropping it ends it, and waits for the last events.
pub(crate) struct Log {
    events: Events,
    is_done: Receiver<()>,
}

/// Starts the log. By default, it has errors that no command reports otherwise.
pub(crate) fn start(globals: &Globals) -> Result<Log, CliError> {
    let targets = match globals.verbose {
        0 => Targets::new().with_default(LevelFilter::ERROR).with_targets(SHOWN_ANYWAY.map(|target| (target, LevelFilter::OFF))),
        1 => Targets::new().with_default(LevelFilter::WARN),
        2 => Targets::new().with_default(LevelFilter::INFO),
        _ => Targets::new().with_default(LevelFilter::DEBUG),
    };
    let (sender, received) = sync_channel(WAITING);
    let (done, is_done) = sync_channel(1);
    let events = Events { sender: Arc::new(Mutex::new(Some(sender))), left_out: Arc::default() };
    let left_out = Arc::clone(&events.left_out);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        write(&received, &left_out);
        drop(done);
    });
    thread.map_err(|error| CliError::with_source("starting a thread", &error))?;
    let log = Log { events: events.clone(), is_done };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || events.clone());
    // Fails only if there is a log already.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
    Ok(log)
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(self.events.sender().take());
        let _ = self.is_done.recv_timeout(LAST_EVENTS);
    }
}

/// Passes events to the thread that writes them, until the log ends. Never waits for that thread.
#[derive(Clone)]
struct Events {
    sender: Arc<Mutex<Option<SyncSender<String>>>>,
    left_out: Arc<AtomicU64>,
}

impl Events {
    fn sender(&self) -> MutexGuard<'_, Option<SyncSender<String>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Events {
    /// Escapes data from outside. Each event of the log is one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text::escaped(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
        if self.sender().as_ref().is_some_and(|sender| sender.try_send(line).is_err()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(events: &Receiver<String>, left_out: &AtomicU64) {
    for line in events {
        let left_out = match left_out.swap(0, Ordering::Relaxed) {
            0 => String::new(),
            number => format!("{number} lines of the log left out: standard error is too slow\n"),
        };
        // Standard error may be closed.
        let _ = io::stderr().write_all(format!("{left_out}{line}\n").as_bytes());
    }
}
