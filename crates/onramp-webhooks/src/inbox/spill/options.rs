//! Putting a first inbox and a spill together.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::sync::{Notify, RwLock, SetOnce};

use super::breaker::{Breaker, Open};
use super::mover::{Mover, Opener};
use super::shared::Shared;
use super::{SpillInbox, SpillStore};
use crate::clock::{Clock, SystemClock};
use crate::inbox::Inbox;
use crate::store_error::{StoreError, StoreErrorKind};

/// The longest patience: the rest of the receiver's ack deadline is for the spill.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// How to put a [`SpillInbox`] together.
///
/// ```
/// # async fn open() -> Result<(), onramp_webhooks::StoreError> {
/// use std::time::Duration;
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::inbox::spill::{MemorySpill, SpillOptions};
///
/// let options = SpillOptions::new(MemorySpill::new()).patience(Duration::from_millis(500));
/// let inbox = options.opening(async || Ok(MemoryInbox::new())).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SpillOptions {
    spill: Arc<dyn SpillStore>,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

impl SpillOptions {
    /// An inbox that keeps in `spill` what its first inbox does not take in time.
    #[must_use]
    pub fn new(spill: impl SpillStore) -> Self {
        Self { spill: Arc::new(spill), patience: Duration::from_secs(1), clock: Arc::new(SystemClock) }
    }

    /// How long a delivery waits for the first inbox; one that takes longer counts as away. Default 1 s, at most 2 s, which leaves the
    /// spill time before the receiver's ack deadline.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.clamp(Duration::from_millis(1), LONGEST_PATIENCE);
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The spill in front of a first inbox that is open already. What waits in the spill from an earlier life of the application moves
    /// first. Has to be called in a runtime of tokio.
    ///
    /// # Errors
    /// When the spill cannot be read.
    pub async fn over<I: Inbox>(self, first: I) -> Result<SpillInbox<I>, StoreError> {
        self.start(SetOnce::new_with(Some(Arc::new(first))), None).await
    }

    /// The spill in front of a first inbox that `open` opens: now, or when it is back. Returns when it is open and has what waited in the
    /// spill, and at the latest after the patience; until then deliveries go to the spill. Whatever `open` answers or how it fails, it
    /// is called again, with growing pauses; one call may take two minutes. Has to be called in a runtime of tokio.
    ///
    /// # Errors
    /// When the spill cannot be read; never because of the first inbox.
    pub async fn opening<I, O, F>(self, mut open: O) -> Result<SpillInbox<I>, StoreError>
    where
        I: Inbox,
        O: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<I, StoreError>> + Send + 'static,
    {
        let patience = self.patience;
        let inbox = self.start(SetOnce::new(), Some(Box::new(move || Box::pin(open())))).await?;
        let breaker = &inbox.shared().breaker;
        if tokio::time::timeout(patience, breaker.closed()).await.is_err()
            && let Some(Open { error, .. }) = breaker.state()
        {
            tracing::error!(%error, "the first inbox is away at the start; deliveries are kept in the spill, and acknowledged");
        }
        Ok(inbox)
    }

    async fn start<I: Inbox>(self, first: SetOnce<Arc<I>>, opener: Option<Opener<I>>) -> Result<SpillInbox<I>, StoreError> {
        let counts = self.spill.counts().await?;
        let why = match (counts.waiting, &opener) {
            (0, None) => None,
            (0, Some(_)) => Some("it is being opened".to_owned()),
            (waiting, _) => Some(format!("{waiting} deliveries have been waiting for it since before the start")),
        };
        let since = self.clock.now();
        let error = |why: String| StoreError::new(StoreErrorKind::Unavailable, "open the first inbox").because(why);
        let shared = Arc::new(Shared {
            first,
            spill: self.spill,
            patience: self.patience,
            clock: self.clock,
            breaker: Breaker::starting(why.map(|why| Open { since, error: error(why) })),
            door: RwLock::new(()),
            newest: AtomicI64::new(counts.newest.map_or(i64::MIN, super::SpillId::as_i64)),
            wake: Notify::new(),
        });
        let mover = tokio::spawn(Mover::new(Arc::clone(&shared), opener).run());
        Ok(SpillInbox::of(shared, mover.abort_handle()))
    }
}
