//! The live events on standard output. A terminal that is slow or paused does not hold up the receiver, and neither does a flood of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use onramp_webhooks::provider::Providers;

use super::notice::Notice;
use crate::exit::CliError;
use crate::output::Output;

/// The number of events that wait for the terminal. Further ones are left out.
const WAITING: usize = 8_192;

/// The pause after a write. Events that arrive meanwhile are written together, so a flood of them does not wake the thread for each.
const PAUSE: Duration = Duration::from_millis(10);

/// The number of events that are written together. With the pause, fewer than 5 000 lines a second are written, so a flood leaves the
/// processors to the receiver.
const TOGETHER: usize = 50;

/// The number of writes in a row that take about a second. So often a flood's missing lines are told.
const SECOND: u32 = 100;

/// Time for the last lines at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A sender of events to the thread that prints them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    notices: SyncSender<Notice>,
    counted: Arc<Counted>,
}

/// The numbers of events that are not written.
#[derive(Debug, Default)]
struct Counted {
    waiting: AtomicUsize,
    left_out: AtomicU64,
    /// Set at the end, when the last lines are written without pauses.
    is_ending: AtomicBool,
}

/// The end of the thread that prints.
#[derive(Debug)]
pub(super) struct Printer {
    done: Receiver<()>,
    counted: Arc<Counted>,
}

impl Feed {
    /// Starts to print.
    pub(super) fn start(output: Output) -> Result<(Self, Printer), CliError> {
        let (notices, received) = sync_channel(WAITING);
        let counted = Arc::<Counted>::default();
        let (feed, printing) = (Self { notices, counted: Arc::clone(&counted) }, Arc::clone(&counted));
        let thread = std::thread::Builder::new().name("listen-output".to_owned());
        let (done, is_done) = sync_channel(1);
        let thread = thread.spawn(move || {
            let providers = Providers::default();
            print(&received, &printing, |notices| {
                write(notices, &providers, &output);
                if !printing.is_ending.load(Ordering::Relaxed) {
                    std::thread::sleep(PAUSE);
                }
            });
            drop(done);
        });
        thread.map_err(|error| CliError::with_source("starting a thread", &error))?;
        Ok((feed, Printer { done: is_done, counted }))
    }

    /// Creates a feed whose events are received instead of printed.
    #[cfg(test)]
    pub(super) fn detached() -> (Self, Receiver<Notice>) {
        let (notices, received) = sync_channel(WAITING);
        (Self { notices, counted: Arc::default() }, received)
    }

    /// Returns whether an event would be printed now.
    pub(super) fn has_room(&self) -> bool {
        self.counted.waiting.load(Ordering::Relaxed) < WAITING
    }

    /// Prints an event, or leaves it out if too many wait. Never blocks.
    pub(super) fn send(&self, notice: Notice) {
        self.counted.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread ends only after the last sender.
        if let Err(TrySendError::Full(_)) = self.notices.try_send(notice) {
            self.counted.waiting.fetch_sub(1, Ordering::Relaxed);
            self.leave_out();
        }
    }

    /// Returns the number of events that were left out.
    #[cfg(test)]
    pub(super) fn left_out(&self) -> u64 {
        self.counted.left_out.load(Ordering::Relaxed)
    }

    /// Counts an event that is not printed.
    pub(super) fn leave_out(&self) {
        self.counted.left_out.fetch_add(1, Ordering::Relaxed);
    }
}

impl Printer {
    /// Waits for the last lines, unless the terminal is paused. Every [`Feed`] has to be dropped before.
    pub(super) fn finish(self) {
        self.counted.is_ending.store(true, Ordering::Relaxed);
        let _ = self.done.recv_timeout(LAST_LINES);
    }
}

/// Passes events to `write`, some at a time, until all senders are dropped.
fn print(notices: &Receiver<Notice>, counted: &Counted, mut write: impl FnMut(Vec<Notice>)) {
    let missing = || Some(counted.left_out.swap(0, Ordering::Relaxed)).filter(|lines| *lines > 0).map(Notice::LeftOut);
    let mut full_writes = 0_u32;
    while let Ok(first) = notices.recv() {
        let together: Vec<_> = [first].into_iter().chain(notices.try_iter().take(TOGETHER - 1)).collect();
        counted.waiting.fetch_sub(together.len(), Ordering::Relaxed);
        full_writes = if together.len() < TOGETHER { 0 } else { full_writes.wrapping_add(1) };
        let missing = if full_writes.is_multiple_of(SECOND) { missing() } else { None };
        write(missing.into_iter().chain(together).collect());
    }
    if let Some(missing) = missing() {
        write(vec![missing]);
    }
}

/// Writes events at once. There is no other place to report an error to, and the receiver does not depend on its output.
fn write(mut notices: Vec<Notice>, providers: &Providers, output: &Output) {
    notices.iter_mut().for_each(|notice| notice.read(providers));
    let _ = match output.json {
        true => output.objects(notices.iter().map(Notice::json)),
        false => output.some(notices.iter().map(|notice| notice.line(&output.zone))),
    };
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::clock::Timestamp;

    use super::*;

    fn refused(status: u16) -> Notice {
        let (time, took) = (Timestamp::from_millis(0), Duration::ZERO);
        Notice::Answered { time, received: None, status: Some(status), took }
    }

    #[test]
    fn a_flood_is_written_some_at_a_time() {
        let (feed, received) = Feed::detached();
        (0..120).for_each(|_| feed.send(refused(404)));
        feed.leave_out();
        let counted = Arc::clone(&feed.counted);
        drop(feed);
        let mut written = Vec::new();
        print(&received, &counted, |notices| written.push((notices.len(), counted.waiting.load(Ordering::Relaxed))));
        assert_eq!(written, [(TOGETHER, 70), (TOGETHER, 20), (21, 0)], "what is missing is told at the end of the flood");
        let (feed, received) = Feed::detached();
        (0..TOGETHER * 150).for_each(|_| feed.send(refused(404)));
        feed.leave_out();
        let counted = Arc::clone(&feed.counted);
        drop(feed);
        let mut told = Vec::new();
        print(&received, &counted, |notices| told.push(matches!(notices.first(), Some(Notice::LeftOut(1)))));
        assert_eq!(told.iter().position(|told| *told), Some(SECOND as usize - 1), "or about once a second");
    }

    #[test]
    fn what_is_left_out_is_counted_before_the_next_event_or_at_the_end() {
        let (notices, received) = sync_channel(2);
        let feed = Feed { notices, counted: Arc::default() };
        (1..=5).for_each(|status| feed.send(refused(status)));
        let counted = Arc::clone(&feed.counted);
        let mut feed = Some(feed);
        let mut written = Vec::new();
        print(&received, &counted, |notices| {
            written.extend(notices);
            // Too late for the events that are written already.
            if let Some(feed) = feed.take() {
                (6..=9).for_each(|status| feed.send(refused(status)));
            }
        });
        let shown: Vec<_> = written
            .iter()
            .map(|notice| match notice {
                Notice::LeftOut(number) => format!("{number} left out"),
                Notice::Answered { status, .. } => status.unwrap_or_default().to_string(),
                Notice::Settled { .. } => String::new(),
            })
            .collect();
        assert_eq!(shown, ["3 left out", "1", "2", "2 left out", "6", "7"]);
        counted.left_out.store(4, Ordering::Relaxed);
        written.clear();
        print(&received, &counted, |notices| written.extend(notices));
        assert!(matches!(written.as_slice(), [Notice::LeftOut(4)]));
    }
}
