//! The mover: checks whether the primary inbox is available, moves waiting deliveries to it, and closes the breaker.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failing::{Chain, Failing};
use super::moving;
use super::shared::Shared;
use super::{MovingLock, SpillId};
use crate::clock::Timestamp;
use crate::delivery::NewDelivery;
use crate::error::{StoreError, StoreErrorKind};
use crate::inbox::Inbox;
use crate::panics::{caught, message};
use crate::retry::RetryPolicy;
use crate::timeout::within;

/// Pauses between two checks of the primary inbox.
const PAUSES: RetryPolicy = RetryPolicy::new(u32::MAX, Duration::from_millis(250), Duration::from_secs(5));

/// An outage that begins within this time after another counts as the same outage, so the pauses continue to grow.
const CALM: Duration = Duration::from_secs(60);

/// Pause between two checks for deliveries that other processes have left in the spill.
const LOOK: Duration = Duration::from_secs(15);

/// Maximum number of deliveries to read at once.
const BATCH: usize = 512;

/// Maximum total size of the bodies to read at once, in bytes. The first body may exceed it.
const BYTES: usize = 16 << 20;

/// Maximum number of waiting deliveries with which the mover tries to close the breaker.
const NEAR: usize = 256;

/// Time limit for opening the primary inbox, which may include a migration.
const OPENING: Duration = Duration::from_secs(120);

/// Deliveries that are due within this time are tried together.
const TOGETHER: Duration = Duration::from_millis(500);

/// Pause while another process moves deliveries.
const OTHERS: Duration = Duration::from_millis(10);

pub(super) type Opening<I> = Pin<Box<dyn Future<Output = Result<I, StoreError>> + Send>>;
pub(super) type Opener<I> = Box<dyn FnMut() -> Opening<I> + Send>;

type Waiting = Vec<(SpillId, NewDelivery)>;

pub(super) struct Mover<I> {
    shared: Arc<Shared<I>>,
    /// Opens the primary inbox; `None` once it is open.
    opener: Option<Opener<I>>,
    failing: Failing,
    /// Deliveries that are recorded in the primary inbox and not yet removed from the spill.
    moved: Vec<SpillId>,
    lock: Option<MovingLock>,
    /// Set if the primary inbox was too slow while requests were waiting.
    slow: bool,
    /// Number of consecutive rounds that failed.
    failures: u32,
    closed_at: Option<Timestamp>,
}

impl<I: Inbox> Mover<I> {
    pub(super) fn new(shared: Arc<Shared<I>>, opener: Option<Opener<I>>) -> Self {
        let (failing, moved, lock) = (Failing::default(), Vec::new(), None);
        Self { shared, opener, failing, moved, lock, slow: false, failures: 0, closed_at: None }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        loop {
            let round = caught(self.round()).await;
            self.lock = None;
            let result = round.unwrap_or_else(|panic| {
                tracing::error!(panic = message(&*panic), "moving deliveries to the primary inbox panicked");
                Err(StoreError::new(StoreErrorKind::Unavailable, "move deliveries to the primary inbox").because("it panicked"))
            });
            match result {
                Ok(()) => self.rest().await,
                Err(error) => {
                    tracing::debug!(%error, "the primary inbox is not available yet");
                    self.shared.breaker.still(&error);
                    self.pause().await;
                }
            }
        }
    }

    /// Waits until there may be deliveries to move or a breaker to close.
    async fn rest(&mut self) {
        self.shared.woken_or(self.shared.clock.now().after(LOOK)).await;
        if self.shared.breaker.is_open() {
            let now = self.shared.clock.now();
            if self.closed_at.take().is_some_and(|closed_at| now.since(closed_at) < CALM) {
                self.pause().await;
            } else {
                self.failures = 0;
            }
        }
    }

    async fn pause(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let pause = PAUSES.pause(self.failures, fastrand::f64()).unwrap_or(PAUSES.longest);
        self.shared.clock.sleep_until(self.shared.clock.now().after(pause)).await;
    }

    /// Moves deliveries until none waits and the breaker is closed.
    async fn round(&mut self) -> Result<(), StoreError> {
        self.open().await?;
        let waiting = self.shared.count().await?.waiting;
        if waiting == 0 && self.moved.is_empty() && !self.shared.breaker.is_open() {
            return Ok(());
        }
        self.check().await?;
        loop {
            if self.lock.is_none() {
                self.lock = self.shared.spill.lock().await?;
            }
            let waiting = self.waiting().await?;
            let is_open = self.shared.breaker.is_open();
            // The breaker has closed, or was never open.
            if !is_open && (waiting.is_empty() || self.lock.is_none()) {
                self.shared.count().await?;
                return Ok(());
            }
            if is_open && self.failing.next().is_none() && self.shared.is_near(waiting.first(), NEAR) {
                self.close().await?;
            } else {
                self.advance(waiting).await?;
            }
        }
    }

    /// Opens the primary inbox unless it is open.
    async fn open(&mut self) -> Result<(), StoreError> {
        if let Some(open) = &mut self.opener {
            let primary = within(OPENING, "open the primary inbox", open()).await?;
            self.opener = None;
            // Only the mover sets `primary`, so this cannot fail.
            let _ = self.shared.primary.set(Arc::new(primary));
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.shared.check_primary().await?;
        self.shared.breaker.responds();
        self.slow &= begun.elapsed() > self.shared.patience / 2;
        Ok(())
    }

    /// Returns waiting deliveries, without those that have moved.
    async fn waiting(&mut self) -> Result<Waiting, StoreError> {
        if !self.moved.is_empty() {
            self.shared.spill.remove(self.moved.clone()).await?;
            self.moved.clear();
        }
        // Reads past the refused deliveries at the beginning.
        let failing = self.failing.len();
        let limit = if self.lock.is_some() { BATCH + 2 * failing } else { 1 };
        let waiting = self.shared.spill.oldest(limit, BYTES + failing * (BYTES / 16)).await?;
        self.failing.keep_only(&waiting);
        Ok(waiting)
    }

    /// Moves some of the waiting deliveries while requests continue to append.
    async fn advance(&mut self, waiting: Waiting) -> Result<(), StoreError> {
        if self.lock.is_none() {
            tokio::time::sleep(OTHERS).await;
            return Ok(());
        }
        let now = self.shared.clock.now();
        let chains = self.failing.chains(waiting, now);
        if chains.is_empty() {
            // A new delivery of another order does not wait for the refused ones.
            let next = self.failing.next().unwrap_or(now).clamp(now.after(TOGETHER), now.after(LOOK));
            self.shared.woken_or(next).await;
            return Ok(());
        }
        let refused = self.record(chains, None).await?;
        if !refused.is_empty() {
            self.check().await?;
        }
        for (id, error) in refused {
            tracing::warn!(%id, %error, "the primary inbox refused a delivery from the spill; it will be tried again");
            self.failing.failed(id, self.shared.clock.now(), fastrand::f64());
        }
        Ok(())
    }

    /// Records chains in the primary inbox. Returns the deliveries that it refused.
    async fn record(&mut self, chains: Vec<Chain>, deadline: Option<Instant>) -> Result<Vec<(SpillId, StoreError)>, StoreError> {
        let mut refused = Vec::new();
        self.slow = false;
        for moved in moving::record(&**self.shared.primary()?, chains, deadline).await {
            self.slow |= moved.took > self.shared.patience / 2;
            match moved.result {
                Ok(()) => {
                    self.moved.push(moved.id);
                    self.failing.passed(moved.id);
                }
                Err(error) => refused.push((moved.id, error)),
            }
        }
        Ok(refused)
    }

    /// Closes the breaker once no earlier delivery waits. Requests are blocked by `door` meanwhile, for less than the patience, so
    /// that no delivery is appended after the last one that moves.
    async fn close(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let limit = shared.patience / 2;
        let deadline = Instant::now() + limit;
        let late = StoreError::new(StoreErrorKind::Unavailable, "close the spill");
        let Ok(_door) = tokio::time::timeout_at(deadline, shared.door.write()).await else { return Err(late) };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = within(left, "read the spill", self.waiting()).await?;
            if !shared.is_ours(waiting.first()) && !self.slow {
                self.closed_at = Some(shared.clock.now());
                shared.breaker.close();
                return Ok(());
            }
            if self.slow {
                return Err(late.because(format!("the primary inbox takes longer than {limit:?} for a delivery")));
            }
            if self.lock.is_none() {
                tokio::time::sleep(OTHERS).await;
                continue;
            }
            let chains = self.failing.chains(waiting, shared.clock.now());
            let refused = self.record(chains, Some(deadline)).await?;
            for (id, _) in &refused {
                self.failing.failed(*id, shared.clock.now(), fastrand::f64());
            }
            if let Some((_, error)) = refused.into_iter().next() {
                return Err(error);
            }
        }
    }
}
