//! The inbox's side of a reconciliation: the completed orders that were delivered.

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::wert::{completed_order, completion_keys};

use super::{Checkpoint, Reconciler};

/// Number of deliveries on a page. A page takes five requests to Wert.
const PAGE_SIZE: usize = 100;

/// A page of the completed orders that were delivered, the newest first.
pub(super) struct DeliveredOrders {
    /// The orders, each once, even if there are conflicts.
    pub(super) orders: Vec<OrderId>,
    /// The arrival of the last delivery.
    pub(super) reached: Option<Timestamp>,
    /// The newest delivery that no delivery after the window precedes, as far as is known.
    pub(super) until: Option<DeliveryId>,
    /// The start of the next page, or `None` after the last.
    pub(super) next: Option<DeliveryId>,
}

impl DeliveredOrders {
    /// Returns the page of the deliveries before `before`.
    pub(super) async fn page(
        reconciler: &Reconciler,
        checkpoint: &Checkpoint,
        before: Option<DeliveryId>,
    ) -> Result<Self, StoreError> {
        let endpoint = &*reconciler.endpoint;
        let mut filter = Filter::all().endpoint(endpoint).event_type("order_complete").limit(PAGE_SIZE);
        filter.before = before;
        let after = checkpoint.deliveries_after.map(DeliveryId::from_i64);
        filter.after = after;
        let listed = reconciler.inbox.list(filter).await?;
        let page = &listed.records;
        let window = checkpoint.window;
        // The clocks of several receivers differ, so a single delivery before the window does not mark the end.
        let is_past = |record: &Record| after.is_none() && record.received_at < window.since;
        let is_wanted = |record: &&Record| record.received_at <= window.until && !is_past(record);
        let until = page.iter().fold(checkpoint.deliveries_until.map(DeliveryId::from_i64), |until, record| {
            if record.received_at > window.until { None } else { until.or(Some(record.id)) }
        });
        let is_past_window = !page.is_empty() && page.iter().all(is_past);
        Ok(Self {
            orders: page.iter().filter(is_wanted).filter_map(|record| order(endpoint, record)).collect(),
            reached: page.last().map(|record| record.received_at).or(listed.searched_to),
            until,
            next: listed.next.filter(|next| before.is_none_or(|before| *next < before) && !is_past_window),
        })
    }
}

/// Returns the order of a delivery that holds its dedup key.
fn order(endpoint: &str, record: &Record) -> Option<OrderId> {
    let key = record.key.as_ref()?;
    let order = completed_order(endpoint, key)?;
    completion_keys(endpoint, &order, None, None).contains(key).then_some(order)
}
