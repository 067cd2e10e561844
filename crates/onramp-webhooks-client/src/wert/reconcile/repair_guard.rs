//! The guard against repairs that could cause a purchase to be handled twice.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::wert::completed_order;
use onramp_webhooks::{Inbox, StoreError};

use super::{Checkpoint, OrderRow, Reconciler};

/// The time before the window in which a completion without an order id counts, because clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3_600);

/// Maximum number of missing orders that are searched at all endpoints, because a search reads the whole inbox. If the endpoint is
/// wrong, the first search already finds an order elsewhere.
const MAX_SEARCHES: u32 = 20;

/// Number of deliveries on a page.
const PAGE_SIZE: usize = 500;

/// A guard that prevents repairs if an order that seems to be missing may have been received.
#[derive(Debug, Default)]
pub(super) struct RepairGuard {
    unidentified: UnidentifiedCompletions,
    searches: u32,
    /// The endpoint that received an order that is missing here.
    other_endpoint: Option<String>,
}

impl RepairGuard {
    /// Returns `true` if more missing orders should be searched at all endpoints.
    pub(super) const fn needs_search(&self) -> bool {
        self.other_endpoint.is_none() && self.searches < MAX_SEARCHES
    }

    /// Searches a missing order at all endpoints.
    pub(super) async fn search(&mut self, reconciler: &Reconciler, row: &OrderRow) -> Result<(), StoreError> {
        if !self.needs_search() {
            return Ok(());
        }
        let anywhere = Filter::all().about(row.order_id.as_str()).event_type("order_complete").limit(1);
        let found = reconciler.inbox.list(anywhere).await?;
        self.searches += 1;
        let other = found.first().filter(|record| *record.endpoint != *reconciler.endpoint);
        self.other_endpoint = other.map(|record| record.endpoint.to_string());
        Ok(())
    }

    /// Returns the reason not to repair, or `None` if a repair is safe.
    pub(super) async fn objection(
        &mut self,
        reconciler: &Reconciler,
        checkpoint: &Checkpoint,
    ) -> Result<Option<String>, StoreError> {
        let since = checkpoint.window.since.before(CLOCK_SKEW);
        if self.unidentified.exist(&*reconciler.inbox, &reconciler.endpoint, since).await? {
            return Ok(Some("completion events without an order id were received, and one may belong to this order".to_owned()));
        }
        let objection =
            |other| format!("orders that are missing here were received at the endpoint {other:?}; is the endpoint right?");
        Ok(self.other_endpoint.as_ref().map(objection))
    }
}

/// Completion events without an order id. They cannot be matched with an order, and a later one could be handled in addition to a
/// synthetic delivery.
#[derive(Debug, Default)]
struct UnidentifiedCompletions {
    found: bool,
    /// The newest delivery that was examined.
    newest: Option<DeliveryId>,
}

impl UnidentifiedCompletions {
    /// Returns `true` if `endpoint` received such an event after `since`. Examines each delivery only once.
    async fn exist(&mut self, inbox: &dyn Inbox, endpoint: &str, since: Timestamp) -> Result<bool, StoreError> {
        let mut filter = Filter::all().endpoint(endpoint).event_type("order_complete").limit(PAGE_SIZE);
        let mut newest = self.newest;
        while !self.found {
            let page = inbox.list(filter.clone()).await?;
            let Some(oldest) = page.last().map(|record| record.id) else { break };
            newest = newest.max(page.first().map(|record| record.id));
            let is_new = |record: &&Record| self.newest.is_none_or(|seen| record.id > seen) && record.received_at >= since;
            let mut new = page.iter().filter(is_new).peekable();
            let is_last_page = new.peek().is_none() || filter.before.is_some_and(|before| before <= oldest);
            self.found = new.any(|record| record.key.as_ref().is_none_or(|key| completed_order(endpoint, key).is_none()));
            if is_last_page {
                break;
            }
            filter.before = Some(oldest);
        }
        self.newest = newest;
        Ok(self.found)
    }
}
