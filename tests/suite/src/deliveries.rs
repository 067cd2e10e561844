//! Purchases in an inbox, recorded and handled at a fixed time.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Inbox, NewDelivery, Recorded, Settled, Settlement};
use onramp_webhooks_testkit::events::WertOrder;

/// The time of all operations in this module.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// Returns a purchase with a new order id.
#[must_use]
pub fn purchase() -> NewDelivery {
    let order = WertOrder::new();
    let mut new = NewDelivery::new("wert", "wert", now(), order.complete());
    new.event_type = Some("order_complete".into());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{}", order.id().unwrap()), "order_complete".into()));
    new.stage = Some(OrderStage::FINAL);
    new
}

/// Records a delivery that must be new, and returns its id as a number.
pub async fn record(inbox: &impl Inbox, new: NewDelivery) -> i64 {
    match inbox.record(new).await.unwrap() {
        Recorded::New(id) => id.as_i64(),
        recorded => panic!("should be new: {recorded:?}"),
    }
}

/// Claims at most `limit` due deliveries for 30 seconds.
pub async fn claim(inbox: &impl Inbox, limit: usize) -> Vec<ClaimedDelivery> {
    inbox.claim(now(), ClaimRequest::new(limit, Duration::from_secs(30))).await.unwrap().deliveries
}

/// Settles deliveries as handled, and asserts that no lease was lost.
pub async fn handled(inbox: &impl Inbox, claimed: &[ClaimedDelivery]) {
    let settlements = claimed.iter().map(|claimed| Settlement::new(claimed.lease, Settled::Handled)).collect();
    assert_eq!(inbox.settle(now(), settlements).await.unwrap(), [], "no lease was lost");
}
