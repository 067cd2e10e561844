//! What is counted of an endpoint's requests: atomics, so that no request waits for another.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::rhythm::{Rhythm, hour};
use super::{Answers, Verdict};
use crate::clock::Timestamp;

/// Silence is this many times the longest usual pause.
const PATIENCE: u32 = 2;

/// What counts as a long time while nobody knows what is usual.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

/// Whose request an answer went to, as far as the gate can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::receiver) enum Sender {
    /// Knew the secret, or came from an address on the list.
    Provider,
    /// Came from another address to an endpoint without a secret: a stranger, or the provider from a new address.
    Unlisted,
    /// Had a wrong secret: a stranger, or the provider with an old one.
    Guessing,
    /// Sent with another method: a person or a monitor.
    Other,
}

/// The counts of one endpoint.
#[derive(Debug, Default)]
pub(in crate::receiver) struct Tally {
    success: AtomicU64,
    client_error: AtomicU64,
    server_error: AtomicU64,
    refused_in_a_row: AtomicU32,
    refused_by_hour: [RefusedInHour; 24],
    unlisted: AtomicU32,
    guesses: AtomicU32,
    pub(super) rhythm: Rhythm,
    /// The rhythm knows what the inbox knows.
    pub(super) remembers: AtomicBool,
    /// The inbox confirmed that nothing came for too long.
    pub(super) silent: AtomicBool,
}

/// The number of an hour in the upper half, and how often the provider was refused in it.
#[derive(Debug, Default)]
struct RefusedInHour(AtomicU64);

impl Tally {
    /// Counts an answer. `recorded`: the request is in the inbox now.
    pub(in crate::receiver) fn answered(&self, now: Timestamp, sender: Sender, status: u16, recorded: bool) {
        let class = match status {
            200..300 => &self.success,
            500.. => &self.server_error,
            _ => &self.client_error,
        };
        class.fetch_add(1, Ordering::Relaxed);
        if recorded {
            self.rhythm.heard(now);
            reset(&self.unlisted);
            reset(&self.guesses);
            if self.silent.load(Ordering::Relaxed) {
                self.silent.store(false, Ordering::Relaxed);
            }
        }
        match sender {
            Sender::Provider if (200..300).contains(&status) => reset(&self.refused_in_a_row),
            Sender::Provider => {
                self.refused_in_a_row.fetch_add(1, Ordering::Relaxed);
                self.refused_at(now);
            }
            Sender::Unlisted => {
                self.unlisted.fetch_add(1, Ordering::Relaxed);
            }
            Sender::Guessing => {
                self.guesses.fetch_add(1, Ordering::Relaxed);
            }
            Sender::Other => {}
        }
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

    /// How often the provider was refused in this hour and the 23 before it.
    pub(super) fn refused_last_day(&self, now: Timestamp) -> u64 {
        let now = u64::from(hour(now));
        let hours = self.refused_by_hour.iter().map(|place| place.0.load(Ordering::Relaxed));
        hours.filter(|held| held >> 32 <= now && now - (held >> 32) < 24).map(|held| held & u64::from(u32::MAX)).sum()
    }

    /// Denied for their address since the last delivery, where no secret says who they are.
    pub(super) fn unlisted(&self) -> u32 {
        self.unlisted.load(Ordering::Relaxed)
    }

    /// With a wrong secret since the last delivery.
    pub(super) fn guesses(&self) -> u32 {
        self.guesses.load(Ordering::Relaxed)
    }

    /// How long nothing was received.
    pub(super) fn silent_for(&self, now: Timestamp) -> Option<Duration> {
        self.rhythm.last().map(|last| now.since(last))
    }

    /// How long nothing may be received before that is an alarm.
    pub(super) fn silent_after(&self, now: Timestamp) -> Option<Duration> {
        self.rhythm.longest_pause(now).map(|pause| pause * PATIENCE)
    }

    /// Whether this receiver has heard nothing for too long; the inbox may know better.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        self.silent_for(now).zip(self.silent_after(now)).is_some_and(|(silent, limit)| silent > limit)
    }

    /// What all this says; `limit` failures in a row are too many.
    pub(super) fn verdict(&self, now: Timestamp, limit: u32) -> Verdict {
        if self.refused_in_a_row() >= limit || (self.unlisted() >= limit && self.is_quiet(now)) {
            Verdict::Refusing
        } else if self.silent.load(Ordering::Relaxed) {
            Verdict::Silent
        } else if self.rhythm.longest_pause(now).is_some() {
            Verdict::Fine
        } else {
            Verdict::Learning
        }
    }

    /// Whether nothing was received for longer than usual, or ever.
    fn is_quiet(&self, now: Timestamp) -> bool {
        let usual = self.rhythm.longest_pause(now).unwrap_or(A_DAY);
        self.remembers.load(Ordering::Relaxed) && self.silent_for(now).is_none_or(|silent| silent > usual)
    }
}

/// Writes only what changes, because requests on all cores come here.
fn reset(count: &AtomicU32) {
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
    }
}
