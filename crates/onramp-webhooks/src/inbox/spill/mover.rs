//! The one who moves: asks whether the first inbox is back, takes what waits over to it, and closes the breaker.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::failing::{Chain, Failing};
use super::moving;
use super::shared::Shared;
use super::{MovingLock, SpillId};
use crate::clock::Timestamp;
use crate::inbox::{Inbox, NewDelivery};
use crate::patience::within;
use crate::store_error::{StoreError, StoreErrorKind};
use crate::telemetry;
use crate::unwinding::{message, unwound};
use crate::worker::RetryPolicy;

/// Pauses before the first inbox is asked again.
const PAUSES: RetryPolicy = RetryPolicy::new(u32::MAX, Duration::from_millis(250), Duration::from_secs(5));

/// An outage soon after another one is the same: the pauses go on growing.
const CALM: Duration = Duration::from_secs(60);

/// Others who share the spill may have left something behind.
const LOOK: Duration = Duration::from_secs(15);

/// The most deliveries that are read at once.
const BATCH: usize = 512;

/// The most bytes of bodies that are read at once, beyond the first.
const BYTES: usize = 16 << 20;

/// Not more than about so many may wait when the breaker is to be closed.
const NEAR: usize = 256;

/// How long opening the first inbox may take, which may migrate it.
const OPENING: Duration = Duration::from_secs(120);

/// Deliveries that are to be tried again within this time are tried together.
const TOGETHER: Duration = Duration::from_millis(500);

/// Pause while another process moves.
const OTHERS: Duration = Duration::from_millis(10);

pub(super) type Opening<I> = Pin<Box<dyn Future<Output = Result<I, StoreError>> + Send>>;
pub(super) type Opener<I> = Box<dyn FnMut() -> Opening<I> + Send>;

type Waiting = Vec<(SpillId, NewDelivery)>;

pub(super) struct Mover<I> {
    shared: Arc<Shared<I>>,
    /// How to open the first inbox while it is not.
    opener: Option<Opener<I>>,
    failing: Failing,
    /// Recorded in the first inbox, and not yet removed.
    moved: Vec<SpillId>,
    lock: Option<MovingLock>,
    /// The first inbox was too slow to be asked while somebody waits.
    slow: bool,
    /// Rounds that failed, one after the other.
    failures: u32,
    closed_at: Option<Timestamp>,
}

impl<I: Inbox> Mover<I> {
    pub(super) fn new(shared: Arc<Shared<I>>, opener: Option<Opener<I>>) -> Self {
        let (failing, moved, lock) = (Failing::default(), Vec::new(), None);
        Self { shared, opener, failing, moved, lock, slow: false, failures: 0, closed_at: None }
    }

    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        loop {
            let round = unwound(self.round()).await;
            self.lock = None;
            let result = round.unwrap_or_else(|panic| {
                tracing::error!(panic = message(&*panic), "moving deliveries to the first inbox panicked");
                Err(StoreError::new(StoreErrorKind::Unavailable, "move deliveries to the first inbox").because("it panicked"))
            });
            match result {
                Ok(()) => self.rest().await,
                Err(error) => {
                    tracing::debug!(%error, "the first inbox is not back");
                    self.shared.breaker.still(&error);
                    self.pause().await;
                }
            }
        }
    }

    /// Waits until there may be something to do.
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

    /// Moves until nothing waits and the breaker is closed.
    async fn round(&mut self) -> Result<(), StoreError> {
        self.open().await?;
        let counts = self.shared.count().await?;
        if counts == 0 && self.moved.is_empty() && !self.shared.breaker.is_open() {
            return Ok(());
        }
        self.check().await?;
        loop {
            if self.lock.is_none() {
                self.lock = self.shared.spill.lock().await?;
            }
            let waiting = self.waiting().await?;
            let is_open = self.shared.breaker.is_open();
            // The breaker has closed, or never was open.
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

    /// Opens the first inbox unless it is.
    async fn open(&mut self) -> Result<(), StoreError> {
        if let Some(open) = &mut self.opener {
            let first = within(OPENING, "open the first inbox", open()).await?;
            self.opener = None;
            // Nobody else sets it.
            let _ = self.shared.first.set(Arc::new(first));
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        self.shared.check_first().await?;
        self.slow &= begun.elapsed() > self.shared.patience / 2;
        Ok(())
    }

    /// What waits, without what has moved.
    async fn waiting(&mut self) -> Result<Waiting, StoreError> {
        if !self.moved.is_empty() {
            self.shared.spill.remove(self.moved.clone()).await?;
            self.moved.clear();
        }
        // However many fail at the beginning, what comes after them is seen.
        let failing = self.failing.len();
        let limit = if self.lock.is_some() { BATCH + 2 * failing } else { 1 };
        let waiting = self.shared.spill.oldest(limit, BYTES + failing * (BYTES / 16)).await?;
        self.failing.keep_only(&waiting);
        Ok(waiting)
    }

    /// Moves some of what waits, while requests go on appending.
    async fn advance(&mut self, waiting: Waiting) -> Result<(), StoreError> {
        if self.lock.is_none() {
            tokio::time::sleep(OTHERS).await;
            return Ok(());
        }
        let now = self.shared.clock.now();
        let chains = self.failing.chains(waiting, now);
        if chains.is_empty() {
            // What comes meanwhile may pass.
            let next = self.failing.next().unwrap_or(now).clamp(now.after(TOGETHER), now.after(LOOK));
            self.shared.woken_or(next).await;
            return Ok(());
        }
        let before = self.moved.len();
        let refused = self.record(chains, None).await?;
        let others = self.moved.len() > before;
        if !refused.is_empty() {
            self.check().await?;
        }
        for (id, error) in refused {
            self.refused(id, &error, others).await?;
        }
        Ok(())
    }

    /// Records chains in the first inbox, and answers what that refused.
    async fn record(&mut self, chains: Vec<Chain>, deadline: Option<Instant>) -> Result<Vec<(SpillId, StoreError)>, StoreError> {
        let mut refused = Vec::new();
        self.slow = false;
        for said in moving::record(&**self.shared.first()?, chains, deadline).await {
            self.slow |= said.took > self.shared.patience / 2;
            match said.result {
                Ok(()) => {
                    self.moved.push(said.id);
                    self.failing.passed(said.id);
                }
                Err(error) => refused.push((said.id, error)),
            }
        }
        Ok(refused)
    }

    /// The first inbox is there, and did not take this one.
    async fn refused(&mut self, id: SpillId, error: &StoreError, others: bool) -> Result<(), StoreError> {
        if !self.failing.failed(id, others, self.shared.clock.now(), fastrand::f64()) {
            tracing::warn!(%id, %error, "the first inbox did not take a delivery from the spill; it will be tried again");
            return Ok(());
        }
        self.shared.spill.set_aside(id, error.to_string()).await?;
        self.failing.gone(id);
        tracing::error!(%id, %error, "set aside: the first inbox takes others and not this delivery, which stays in the spill");
        telemetry::set_aside();
        Ok(())
    }

    /// Closes the breaker when nothing waits that came before what comes now. Meanwhile requests wait at the door, for less than the
    /// patience, so that nothing is appended behind what moves last.
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
                return Err(late.because(format!("the first inbox takes longer than {limit:?} for a delivery")));
            }
            if self.lock.is_none() {
                tokio::time::sleep(OTHERS).await;
                continue;
            }
            let chains = self.failing.chains(waiting, shared.clock.now());
            let before = self.moved.len();
            let refused = self.record(chains, Some(deadline)).await?;
            let others = self.moved.len() > before;
            for (id, _) in &refused {
                self.failing.failed(*id, others, shared.clock.now(), fastrand::f64());
            }
            if let Some((_, error)) = refused.into_iter().next() {
                return Err(error);
            }
        }
    }
}
