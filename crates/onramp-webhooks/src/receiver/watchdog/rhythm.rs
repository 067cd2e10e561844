//! When deliveries come: the hours of the last 14 days that had one, and what their longest pause tells.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// How far back a pause counts, from the last delivery.
pub(super) const WINDOW: Duration = Duration::from_secs(14 * 24 * 3_600);

/// The hours of the window.
const HOURS: u32 = 14 * 24;

/// The first known delivery has to be this many hours old: a week has all that repeats, and one more day ends its last pause.
const LEARNING: u32 = 8 * 24;

/// On so many different days there were deliveries: one purchase, with all its events, is no rhythm.
const DAYS: usize = 3;

/// No moment of a delivery.
const NEVER: i64 = i64::MIN;

/// When deliveries came. Each hour has its place, by its number since 1970; what is there is the newest hour of that place.
#[derive(Debug)]
pub(super) struct Rhythm {
    last: AtomicI64,
    hours: Box<[AtomicU32]>,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { last: AtomicI64::new(NEVER), hours: (0..HOURS).map(|_| AtomicU32::new(0)).collect() }
    }
}

impl Rhythm {
    /// A delivery has just come.
    pub(super) fn heard(&self, now: Timestamp) {
        self.last.store(now.as_millis(), Ordering::Relaxed);
        let hour = hour(now);
        if let Some(place) = self.place(hour)
            && place.load(Ordering::Relaxed) != hour
        {
            place.store(hour, Ordering::Relaxed);
        }
    }

    /// A delivery came some time ago.
    pub(super) fn recalled(&self, at: Timestamp) {
        self.last.fetch_max(at.as_millis(), Ordering::Relaxed);
        if let Some(place) = self.place(hour(at)) {
            place.fetch_max(hour(at), Ordering::Relaxed);
        }
    }

    /// When the last delivery came; `None`: none is known.
    pub(super) fn last(&self) -> Option<Timestamp> {
        let last = self.last.load(Ordering::Relaxed);
        (last != NEVER).then(|| Timestamp::from_millis(last))
    }

    /// The longest pause that is usual; `None` while nobody knows what is.
    pub(super) fn longest_pause(&self, now: Timestamp) -> Option<Duration> {
        let hours = self.known(hour(self.last()?));
        let days = hours.chunk_by(|a, b| a / 24 == b / 24).count();
        if days < DAYS || hour(now).saturating_sub(*hours.first()?) < LEARNING {
            return None;
        }
        let pauses = hours.iter().zip(hours.iter().skip(1)).map(|(earlier, later)| later - earlier);
        Some(HOUR * pauses.max()?)
    }

    /// Whether something comes every hour or two.
    pub(super) fn is_steady(&self, now: Timestamp) -> bool {
        self.longest_pause(now).is_some_and(|pause| pause <= HOUR * 2)
    }

    /// The hours with deliveries in the window that ends with `last`, the oldest first.
    fn known(&self, last: u32) -> Vec<u32> {
        let hours = self.hours.iter().map(|place| place.load(Ordering::Relaxed));
        let mut known: Vec<_> = hours.filter(|hour| *hour > 0 && *hour <= last && last - *hour < HOURS).collect();
        known.sort_unstable();
        known
    }

    fn place(&self, hour: u32) -> Option<&AtomicU32> {
        self.hours.get(usize::try_from(hour % HOURS).ok()?)
    }
}

/// The number of an hour since 1970; never 0, which is an empty place.
pub(super) fn hour(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_millis() / 3_600_000).unwrap_or(0).max(1)
}
