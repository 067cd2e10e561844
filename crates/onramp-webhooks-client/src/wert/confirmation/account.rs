//! An account at Wert: its API, the task that queries it, and the checks so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::inbox::DeliveryId;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::batcher::{self, Check, Checked};
use super::history::History;
use super::queue::Turn;
use super::share::Share;
use crate::wert::WertDataApi;
use crate::wert::query::MAX_PAGE_SIZE;

/// An account, with the limits for repeated checks: each second one request for many orders and one for a single order, and no more waiting
/// checks than fit into a request. Without limits, a flood of forged orders would take the requests, and the slots of the worker, of others.
pub(super) struct Account {
    api: WertDataApi,
    history: Arc<Mutex<History>>,
    again: Mutex<Share>,
    alone: Mutex<Share>,
    repeated: Arc<Semaphore>,
    /// The channel to the batcher, once it runs.
    batcher: Mutex<Option<mpsc::UnboundedSender<Check>>>,
}

impl Account {
    pub(super) fn new(api: WertDataApi) -> Self {
        Self {
            api,
            history: Arc::default(),
            again: Mutex::new(Share::per_second(MAX_PAGE_SIZE)),
            alone: Mutex::new(Share::per_second(1)),
            repeated: Arc::new(Semaphore::new(MAX_PAGE_SIZE)),
            batcher: Mutex::new(None),
        }
    }

    pub(super) const fn api(&self) -> &WertDataApi {
        &self.api
    }

    pub(super) fn alias(&mut self, code: &str, other: &str) {
        self.api = self.api.clone().alias(code, other);
    }

    /// Starts a check, and returns the channel for its result; `None` if it has to be made later. `min_backoff` is the shortest pause
    /// after a failure.
    pub(super) fn check(
        &self,
        delivery: DeliveryId,
        purchase: CompletedPurchase,
        min_backoff: Duration,
    ) -> Option<oneshot::Receiver<Checked>> {
        let turn = locked(&self.history).turn(delivery);
        let permit = match turn {
            Turn::First => None,
            Turn::Again | Turn::Alone => Some(Arc::clone(&self.repeated).try_acquire_owned().ok()?),
        };
        if !self.has_share(turn) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.send(Check { delivery, turn, purchase, sender, _permit: permit }, min_backoff);
        Some(receiver)
    }

    fn has_share(&self, turn: Turn) -> bool {
        let now = self.api.clock().now();
        match turn {
            Turn::First => true,
            Turn::Again => locked(&self.again).take(now),
            Turn::Alone => locked(&self.alone).take(now),
        }
    }

    /// Sends a check to the batcher. Spawns one if there is none, or if its runtime has ended.
    fn send(&self, mut check: Check, min_backoff: Duration) {
        let mut batcher = locked(&self.batcher);
        if let Some(running) = &*batcher {
            match running.send(check) {
                Ok(()) => return,
                Err(closed) => check = closed.0,
            }
        }
        let (spawned, checks) = mpsc::unbounded_channel();
        // Cannot fail, because the receiver still exists.
        let _ = spawned.send(check);
        tokio::spawn(batcher::run(self.api.clone(), min_backoff, Arc::clone(&self.history), checks));
        *batcher = Some(spawned);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
