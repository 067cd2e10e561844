//! A spill that prints its progress for a watching process.

use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::spill::{SpillId, SpillStore};
use onramp_webhooks::{StoreError, async_trait};
use onramp_webhooks_sqlite::SqliteSpill;
use onramp_webhooks_testkit::doubles::{SpillCall, SpillDouble};

pub(crate) const SPILLING: &str = "spill: keeps one";
pub(crate) const SPILLED: &str = "spill: has kept one";
pub(crate) const MOVING: &str = "spill: some move";
pub(crate) const MOVED: &str = "spill: some have moved";

#[derive(Debug)]
pub(crate) struct Telling(pub(crate) SqliteSpill);

#[async_trait]
impl SpillDouble for Telling {
    fn inner(&self) -> &dyn SpillStore {
        &self.0
    }

    async fn before(&self, call: SpillCall) -> Result<(), StoreError> {
        if call == SpillCall::Append {
            println!("{SPILLING}");
        }
        Ok(())
    }

    async fn after(&self, call: SpillCall) -> Result<(), StoreError> {
        if call == SpillCall::Append {
            println!("{SPILLED}");
        }
        Ok(())
    }

    async fn oldest(&self, limit: usize, bytes: usize) -> Result<Vec<(SpillId, NewDelivery)>, StoreError> {
        let oldest = self.0.oldest(limit, bytes).await?;
        // A process that may not move reads only one.
        if limit > 1 && !oldest.is_empty() {
            println!("{MOVING}");
        }
        Ok(oldest)
    }

    async fn remove(&self, ids: Vec<SpillId>) -> Result<(), StoreError> {
        self.0.remove(ids).await?;
        println!("{MOVED}");
        Ok(())
    }
}
