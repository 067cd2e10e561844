//! Why what is missing may not be missing.

use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::Filter;

use super::nameless::Nameless;
use super::{Checkpoint, OrderRow, Reconciler};

/// How much earlier than the window a completion without an order id can have come: machines and Wert may disagree about the time.
const SKEW: Duration = Duration::from_secs(24 * 3_600);

/// Missing orders that are looked for at every endpoint, which reads the whole inbox. Where the endpoint is the wrong one, the first
/// tells.
const LOOKED_FOR: u32 = 20;

/// Why what is missing may not be missing, so that a repair would have it handled twice.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    nameless: Nameless,
    looked_for: u32,
    /// Where orders came in that are missing here.
    elsewhere: Option<String>,
}

impl Doubts {
    /// Whether more orders are to be looked for at every endpoint.
    pub(super) const fn look_on(&self) -> bool {
        self.elsewhere.is_none() && self.looked_for < LOOKED_FOR
    }

    /// Looks for `row`, which is missing, at every endpoint.
    pub(super) async fn look_elsewhere(&mut self, reconciler: &Reconciler, row: &OrderRow) -> Result<(), StoreError> {
        if !self.look_on() {
            return Ok(());
        }
        let anywhere = Filter::all().about(row.order_id.as_str()).event_type("order_complete").limit(1);
        let found = reconciler.inbox.list(anywhere).await?;
        self.looked_for += 1;
        let other = found.first().filter(|record| *record.endpoint != *reconciler.endpoint);
        self.elsewhere = other.map(|record| record.endpoint.to_string());
        Ok(())
    }

    /// Why not to repair what is missing; `None`: nothing is against it.
    pub(super) async fn why_not(
        &mut self,
        reconciler: &Reconciler,
        checkpoint: &Checkpoint,
    ) -> Result<Option<String>, StoreError> {
        let since = checkpoint.window.since.before(SKEW);
        if self.nameless.look(&*reconciler.inbox, &reconciler.endpoint, since).await? {
            return Ok(Some("events of completed orders came in without an order id, and one may be its own".to_owned()));
        }
        let why = |other| format!("orders that are missing here came in at the endpoint {other:?}; is this one the right one?");
        Ok(self.elsewhere.as_ref().map(why))
    }
}
