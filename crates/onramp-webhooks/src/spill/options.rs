//! Options of a spill.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use tokio::sync::{Notify, RwLock, SetOnce};

use super::breaker::{Breaker, Open};
use super::mover::{Mover, Opener};
use super::shared::Shared;
use super::{SpillInbox, SpillStore};
use crate::clock::{Clock, SystemClock};
use crate::error::{StoreError, StoreErrorKind};
use crate::inbox::Inbox;

/// Maximum patience. The rest of the receiver's ack deadline is reserved for the spill.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// Options of a [`SpillInbox`].
///
/// ```
/// # async fn open() -> Result<(), onramp_webhooks::StoreError> {
/// use std::time::Duration;
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::spill::{MemorySpill, SpillOptions};
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
    /// Creates options with the defaults for the store `spill`.
    #[must_use]
    pub fn new(spill: impl SpillStore) -> Self {
        Self { spill: Arc::new(spill), patience: Duration::from_secs(1), clock: Arc::new(SystemClock) }
    }

    /// Sets how long a delivery waits for the primary inbox before the inbox counts as unavailable. Default 1 s, at most 2 s, which
    /// leaves time for the spill before the receiver's ack deadline.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.clamp(Duration::from_millis(1), LONGEST_PATIENCE);
        self
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Combines the spill with a primary inbox that is already open. Deliveries that are still waiting from an earlier run of the
    /// application move first. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the spill cannot be read, and a [permanent](StoreErrorKind::is_permanent) error of the primary inbox.
    pub async fn over<I: Inbox>(self, primary: I) -> Result<SpillInbox<I>, StoreError> {
        let inbox = self.start(SetOnce::new_with(Some(Arc::new(primary))), None).await?;
        match inbox.shared().check_primary().await {
            Err(error) if error.kind().is_permanent() => Err(error),
            Ok(()) | Err(_) => Ok(inbox),
        }
    }

    /// Combines the spill with a primary inbox that is opened by `open`, now or as soon as it is available.
    ///
    /// Returns once the primary inbox is open and has the deliveries that waited in the spill, but after the patience at the
    /// latest. Until the primary inbox is ready, deliveries go to the spill. `open` is called again with growing pauses until it
    /// succeeds; one call may take up to two minutes. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if the spill cannot be read. Returns a [permanent](StoreErrorKind::is_permanent) error of the primary inbox
    /// that occurs within the patience, such as a wrong password. No other error of the primary inbox is returned.
    pub async fn opening<I, O, F>(self, mut open: O) -> Result<SpillInbox<I>, StoreError>
    where
        I: Inbox,
        O: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<I, StoreError>> + Send + 'static,
    {
        let patience = self.patience;
        let inbox = self.start(SetOnce::new(), Some(Box::new(move || Box::pin(open())))).await?;
        let breaker = &inbox.shared().breaker;
        match tokio::time::timeout(patience, breaker.closed()).await {
            Ok(opened) => opened?,
            Err(_) => {
                if let Some(Open { error, .. }) = breaker.state() {
                    tracing::error!(%error, "the primary inbox is unavailable at the start; deliveries are recorded in the spill and acknowledged");
                }
            }
        }
        Ok(inbox)
    }

    async fn start<I: Inbox>(self, primary: SetOnce<Arc<I>>, opener: Option<Opener<I>>) -> Result<SpillInbox<I>, StoreError> {
        let counts = self.spill.counts().await?;
        let why = match (counts.waiting, &opener) {
            (0, None) => None,
            (0, Some(_)) => Some("it is being opened".to_owned()),
            (waiting, _) => Some(format!("{waiting} deliveries from an earlier run have to move to it first")),
        };
        let since = self.clock.now();
        let error = |why: String| StoreError::new(StoreErrorKind::Unavailable, "open the primary inbox").because(why);
        let shared = Arc::new(Shared {
            primary,
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
