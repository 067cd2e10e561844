//! The other direction: completed orders that the inbox knows.

use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::wert::{completed_order, completion_keys};
use onramp_webhooks::{Inbox, StoreError};

use super::Window;

/// Deliveries on a page: five questions to Wert.
const PAGE: usize = 100;

/// A page of the completed orders that came in, the newest first.
pub(super) struct Completed {
    /// Each once, whatever contradicts it.
    pub(super) orders: Vec<OrderId>,
    /// Where the next page begins; `None`: this was the last.
    pub(super) before: Option<DeliveryId>,
}

impl Completed {
    pub(super) async fn before(
        inbox: &dyn Inbox,
        endpoint: &str,
        window: Window,
        before: Option<DeliveryId>,
    ) -> Result<(Self, Vec<Record>), StoreError> {
        let mut filter = Filter::all().endpoint(endpoint).event_type("order_complete").limit(PAGE);
        filter.before = before;
        let page = inbox.list(filter).await?;
        let in_time = |record: &&Record| window.contains(record.received_at);
        let orders = page.iter().filter(in_time).filter_map(|record| order(endpoint, record)).collect();
        // Machines disagree about the time, so one old delivery is not the end.
        let is_old = page.iter().all(|record| record.received_at < window.since);
        let last = page.last().map(|record| record.id).filter(|last| before.is_none_or(|before| *last < before));
        Ok((Self { orders, before: last.filter(|_| !is_old) }, page))
    }
}

/// The order of the delivery that holds its key.
fn order(endpoint: &str, record: &Record) -> Option<OrderId> {
    let key = record.key.as_ref()?;
    let order = completed_order(endpoint, key)?;
    completion_keys(endpoint, &order, None).contains(key).then_some(order)
}
