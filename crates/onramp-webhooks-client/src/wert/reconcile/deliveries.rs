//! The inbox's side of a reconciliation: the completed orders that were delivered.

use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::wert::{completed_order, completion_keys};
use onramp_webhooks::{Inbox, StoreError};

use super::Window;

/// Number of deliveries on a page. A page takes five requests to Wert.
const PAGE_SIZE: usize = 100;

/// A page of the completed orders that were delivered, the newest first.
pub(super) struct DeliveredOrders {
    /// The orders, each once, even if there are conflicts.
    pub(super) orders: Vec<OrderId>,
    /// The start of the next page, or `None` after the last.
    pub(super) next: Option<DeliveryId>,
}

impl DeliveredOrders {
    /// Returns the page of the deliveries before `before`, and their records.
    pub(super) async fn page(
        inbox: &dyn Inbox,
        endpoint: &str,
        window: Window,
        before: Option<DeliveryId>,
    ) -> Result<(Self, Vec<Record>), StoreError> {
        let mut filter = Filter::all().endpoint(endpoint).event_type("order_complete").limit(PAGE_SIZE);
        filter.before = before;
        let page = inbox.list(filter).await?;
        let in_window = |record: &&Record| window.contains(record.received_at);
        let orders = page.iter().filter(in_window).filter_map(|record| order(endpoint, record)).collect();
        // The clocks of several receivers differ, so a single delivery before the window does not mark the end.
        let is_past_window = page.iter().all(|record| record.received_at < window.since);
        let last = page.last().map(|record| record.id).filter(|last| before.is_none_or(|before| *last < before));
        Ok((Self { orders, next: last.filter(|_| !is_past_window) }, page))
    }
}

/// Returns the order of a delivery that holds its dedup key.
fn order(endpoint: &str, record: &Record) -> Option<OrderId> {
    let key = record.key.as_ref()?;
    let order = completed_order(endpoint, key)?;
    completion_keys(endpoint, &order, None, None).contains(key).then_some(order)
}
