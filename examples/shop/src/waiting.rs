//! The limit of purchases that wait for their customers to pay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onramp_webhooks::Delivery;

/// The time after which a purchase that was not paid no longer counts. Its postback is still credited.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The purchases that this process started and whose postbacks it has not handled. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    limit: usize,
    purchases: Arc<Mutex<Purchases>>,
}

#[derive(Debug, Default)]
struct Purchases {
    /// The number of widgets that are being started.
    starting: usize,
    /// The time of each start, by the id of the purchase in lower case.
    started: HashMap<String, Instant>,
}

/// A place for a purchase, which is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Waiting);

impl Waiting {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, purchases: Arc::default() }
    }

    /// Takes a place. Returns `None` if there is none.
    pub(crate) fn place(&self, now: Instant) -> Option<Place<'_>> {
        let mut purchases = self.purchases();
        if purchases.number() >= self.limit {
            purchases.started.retain(|_, started_at| now.duration_since(*started_at) < LONGEST);
        }
        if purchases.number() >= self.limit {
            return None;
        }
        purchases.starting += 1;
        Some(Place(self))
    }

    /// Frees the place of a purchase that was credited.
    pub(crate) fn handled(&self, delivery: &Delivery) {
        if let Ok(Some(purchase)) = delivery.completed_purchase()
            && let Some(id) = purchase.order
        {
            self.purchases().started.remove(&id.as_str().to_ascii_lowercase());
        }
    }

    fn purchases(&self) -> MutexGuard<'_, Purchases> {
        self.purchases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purchases {
    fn number(&self) -> usize {
        self.starting + self.started.len()
    }
}

impl Place<'_> {
    /// Keeps the place for a purchase that was started.
    pub(crate) fn keep(self, id: &str, now: Instant) {
        self.0.purchases().started.insert(id.to_ascii_lowercase(), now);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.purchases().starting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_wait_and_none_for_more_than_an_hour() {
        let (waiting, now) = (Waiting::new(2), Instant::now());
        let minutes = |minutes: u64| now + Duration::from_secs(60 * minutes);
        waiting.place(now).unwrap().keep("a", now);
        let starting = waiting.place(now).unwrap();
        assert!(waiting.place(now).is_none(), "one waits, and one is being started");
        drop(starting);
        waiting.place(minutes(30)).unwrap().keep("b", minutes(30));
        assert!(waiting.place(minutes(59)).is_none());
        let place = waiting.place(minutes(60)).unwrap();
        assert!(waiting.place(minutes(60)).is_none());
        drop(place);
    }
}
