//! The periodic task that stores the traffic of a process.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;

use super::PeriodicTask;
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::traffic::Meters;

#[derive(Clone)]
pub(super) struct StoreTraffic {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) meters: Meters,
    pub(super) clock: Arc<dyn Clock>,
}

impl StoreTraffic {
    /// Stores what was counted since the last run.
    pub(super) async fn store_the_rest(&self) {
        self.meters.store_the_rest(&*self.inbox, self.clock.now()).await;
    }
}

#[async_trait]
impl PeriodicTask for StoreTraffic {
    fn name(&self) -> &str {
        "store_traffic"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.meters.store(&*self.inbox, self.clock.now()).await;
        Ok(())
    }
}
