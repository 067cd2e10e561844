//! Counters of an endpoint. They are atomics, so that requests do not wait for each other.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{Answers, Verdict};
use crate::clock::Timestamp;
use crate::log_limit::LogLimit;

/// The time without a delivery after which requests from unlisted addresses raise an alarm, unless the endpoint sets another.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

/// The value of [`Counters::last_received`] before the first delivery.
const NEVER: i64 = i64::MIN;

/// The sender of a request, as far as the admission can determine it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The request had the right secret, or came from an address on the list.
    Provider,
    /// The request came from an unlisted address, at an endpoint without a secret: from a stranger, or from the provider at a new
    /// address.
    Unlisted,
    /// The request had a wrong secret: from a stranger, or from the provider with an old secret.
    Guessing,
    /// The request had another method: from an operator or a monitor.
    Other,
}

/// The counters of one endpoint.
#[derive(Debug)]
pub(crate) struct Counters {
    success: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    quarantined_purchases: AtomicU64,
    refused_in_a_row: AtomicU32,
    refused_by_hour: [RefusedInHour; 24],
    unlisted: AtomicU32,
    guesses: AtomicU32,
    last_received: AtomicI64,
    /// Set once the last delivery was read from the inbox.
    pub(super) is_known: AtomicBool,
    /// Set while the inbox confirms the silence.
    pub(super) silent: AtomicBool,
    /// Limits the log of denied addresses.
    pub(crate) denials: LogLimit,
    /// Limits the log of other refusals.
    pub(crate) refusals: LogLimit,
    /// Limits the log of requests whose signature cannot be verified.
    pub(crate) unverified: LogLimit,
}

/// The number of an hour in the upper half, and the refusals of that hour in the lower half.
#[derive(Debug, Default)]
struct RefusedInHour(AtomicU64);

impl Default for Counters {
    fn default() -> Self {
        Self {
            success: AtomicU64::default(),
            client_error: AtomicU64::default(),
            server_error: AtomicU64::default(),
            quarantined_purchases: AtomicU64::default(),
            refused_in_a_row: AtomicU32::default(),
            refused_by_hour: Default::default(),
            unlisted: AtomicU32::default(),
            guesses: AtomicU32::default(),
            last_received: AtomicI64::new(NEVER),
            is_known: AtomicBool::default(),
            silent: AtomicBool::default(),
            denials: LogLimit::default(),
            refusals: LogLimit::default(),
            unverified: LogLimit::default(),
        }
    }
}

impl Counters {
    /// Counts a reply.
    pub(crate) fn answered(&self, now: Timestamp, sender: Sender, status: u16) {
        let class = match status {
            200..300 => &self.success,
            500.. => &self.server_error,
            _ => &self.client_error,
        };
        class.fetch_add(1, Ordering::Relaxed);
        match sender {
            Sender::Provider if (200..300).contains(&status) => reset(&self.refused_in_a_row),
            Sender::Provider => {
                self.refused_in_a_row.fetch_add(1, Ordering::Relaxed);
                self.refused_at(now);
            }
            Sender::Unlisted => drop(self.unlisted.fetch_add(1, Ordering::Relaxed)),
            Sender::Guessing => drop(self.guesses.fetch_add(1, Ordering::Relaxed)),
            Sender::Other => {}
        }
    }

    /// Counts a purchase that was recorded in quarantine.
    pub(crate) fn quarantined_purchase(&self) {
        self.quarantined_purchases.fetch_add(1, Ordering::Relaxed);
    }

    /// Replaces the count by what is in the inbox.
    pub(super) fn recalled_quarantine(&self, purchases: usize) {
        self.quarantined_purchases.store(purchases as u64, Ordering::Relaxed);
    }

    pub(super) fn quarantined_purchases(&self) -> u64 {
        self.quarantined_purchases.load(Ordering::Relaxed)
    }

    /// Counts a delivery that is in the inbox now. `at` is the time that the inbox keeps, which may be long before the reply.
    pub(crate) fn received(&self, at: Timestamp) {
        reset(&self.unlisted);
        reset(&self.guesses);
        self.last_received.store(at.as_millis(), Ordering::Relaxed);
        if self.silent.load(Ordering::Relaxed) {
            self.silent.store(false, Ordering::Relaxed);
        }
    }

    /// Updates the time of the last delivery with one that was found in the inbox.
    pub(super) fn recalled(&self, at: Timestamp) {
        self.last_received.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    fn refused_at(&self, now: Timestamp) {
        let hour = hour(now);
        let counted = |held: u64| {
            let count = if held >> 32 == u64::from(hour) { held & u64::from(u32::MAX) } else { 0 };
            Some(u64::from(hour) << 32 | (count + 1).min(u64::from(u32::MAX)))
        };
        if let Some(place) = usize::try_from(hour % 24).ok().and_then(|place| self.refused_by_hour.get(place)) {
            let _ = place.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
        }
    }

    pub(super) fn answers(&self) -> Answers {
        let count = |class: &AtomicU64| class.load(Ordering::Relaxed);
        Answers {
            success: count(&self.success),
            client_error: count(&self.client_error),
            server_error: count(&self.server_error),
        }
    }

    pub(super) fn refused_in_a_row(&self) -> u32 {
        self.refused_in_a_row.load(Ordering::Relaxed)
    }

    /// Returns the number of refusals in the current hour and the 23 hours before it.
    pub(super) fn refused_last_day(&self, now: Timestamp) -> u64 {
        let now = u64::from(hour(now));
        let hours = self.refused_by_hour.iter().map(|place| place.0.load(Ordering::Relaxed));
        hours.filter(|held| held >> 32 <= now && now - (held >> 32) < 24).map(|held| held & u64::from(u32::MAX)).sum()
    }

    /// Returns the number of requests from unlisted addresses since the last delivery, at an endpoint without a secret.
    pub(super) fn unlisted(&self) -> u32 {
        self.unlisted.load(Ordering::Relaxed)
    }

    /// Returns the number of requests with a wrong secret since the last delivery.
    pub(super) fn guesses(&self) -> u32 {
        self.guesses.load(Ordering::Relaxed)
    }

    /// Returns the time of the last delivery; `None` if none is known.
    pub(super) fn last_received(&self) -> Option<Timestamp> {
        let last = self.last_received.load(Ordering::Relaxed);
        (last != NEVER).then(|| Timestamp::from_millis(last))
    }

    pub(super) fn silent_for(&self, now: Timestamp) -> Option<Duration> {
        self.last_received().map(|last| now.since(last))
    }

    /// Returns whether this receiver has received nothing for too long. Another receiver may have recorded a delivery.
    pub(super) fn is_overdue(&self, now: Timestamp, silent_after: Option<Duration>) -> bool {
        self.silent_for(now).zip(silent_after).is_some_and(|(silent, limit)| silent > limit)
    }

    /// Returns the verdict. `alarm_after` is the number of refusals that raises an alarm.
    pub(super) fn verdict(&self, now: Timestamp, alarm_after: u32, silent_after: Option<Duration>) -> Verdict {
        if self.refused_in_a_row() >= alarm_after || (self.unlisted() >= alarm_after && self.is_quiet(now, silent_after)) {
            Verdict::Refusing
        } else if self.silent.load(Ordering::Relaxed) {
            Verdict::Silent
        } else if self.quarantined_purchases() > 0 {
            Verdict::Attention
        } else {
            Verdict::Fine
        }
    }

    /// Returns whether nothing was received for an unusually long time, or nothing was ever received.
    fn is_quiet(&self, now: Timestamp, silent_after: Option<Duration>) -> bool {
        let usual = silent_after.unwrap_or(A_DAY);
        self.is_known.load(Ordering::Relaxed) && self.silent_for(now).is_none_or(|silent| silent > usual)
    }
}

/// Returns the number of an hour since 1970; never 0, which marks an unused counter.
fn hour(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_millis() / 3_600_000).unwrap_or(0).max(1)
}

/// Resets a counter. Writes only if the value changes, because all requests share it.
fn reset(count: &AtomicU32) {
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
    }
}
