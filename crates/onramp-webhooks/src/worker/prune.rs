//! The periodic removal of old deliveries.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::PeriodicTask;
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::inbox::{Inbox, Retention};
use crate::timeout::within;

/// Time limit of one round.
const ROUND: Duration = Duration::from_secs(600);

/// The task that removes what is older than its [`Retention`] from an inbox.
///
/// Every [worker](super::WorkerBuilder::retention) runs it. A process without a worker runs it by itself, such as once an hour:
///
/// ```
/// use std::sync::Arc;
///
/// use onramp_webhooks::inbox::{Inbox, MemoryInbox, Retention};
/// use onramp_webhooks::worker::{PeriodicTask, PruneInbox};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let inbox: Arc<dyn Inbox> = Arc::new(MemoryInbox::new());
/// PruneInbox::new(inbox, Retention::default()).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PruneInbox {
    inbox: Arc<dyn Inbox>,
    retention: Retention,
    clock: Arc<dyn Clock>,
}

impl PruneInbox {
    /// Creates the task for an inbox.
    #[must_use]
    pub fn new(inbox: Arc<dyn Inbox>, retention: Retention) -> Self {
        Self { inbox, retention, clock: Arc::new(SystemClock) }
    }

    /// Sets the clock. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

#[async_trait]
impl PeriodicTask for PruneInbox {
    fn name(&self) -> &str {
        "prune_inbox"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(in_rounds(|| self.inbox.prune(self.clock.now(), self.retention)).await?)
    }
}

impl fmt::Debug for PruneInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PruneInbox").field("inbox", &self.inbox).field("retention", &self.retention).finish_non_exhaustive()
    }
}

/// Prunes a store until a round finds nothing more.
pub(crate) async fn in_rounds<R>(mut round: impl FnMut() -> R) -> Result<(), StoreError>
where
    R: Future<Output = Result<u64, StoreError>>,
{
    loop {
        match within(ROUND, "prune", round()).await? {
            0 => return Ok(()),
            pruned => tracing::debug!(pruned, "pruned"),
        }
    }
}
