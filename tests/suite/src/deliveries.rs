//! Purchases in an inbox, recorded and handled at a fixed time.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, DeliveryId, Filter, Inbox, NewDelivery, Recorded, Requeue, Settled, Settlement, State,
};
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

/// The state of a delivery that a later version wrote.
pub const LATER_STATE: u8 = 99;

/// Asserts that a delivery in [`LATER_STATE`] is shown, is never touched and holds nothing up.
pub async fn a_later_state_waits_alone(inbox: &impl Inbox, later: &NewDelivery, id: i64) {
    let id = DeliveryId::from_i64(id);
    let other = record(inbox, purchase()).await;
    let claimed = claim(inbox, 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [other], "nothing else is due");
    assert_eq!(inbox.counts().await.unwrap().of(State::Unknown), 1);
    for filter in [Filter::all(), Filter::all().state(State::Unknown)] {
        assert!(inbox.list(filter).await.unwrap().iter().any(|record| record.id == id && record.state == State::Unknown));
    }
    assert_eq!(inbox.list(Filter::all().state(State::Leased)).await.unwrap().len(), 1);
    assert_eq!(inbox.record(later.clone()).await.unwrap(), Recorded::Duplicate { first: id, requeued: false });
    inbox.requeue(Requeue::new(id, State::Unknown)).await.unwrap_err();
    inbox.forget(id).await.unwrap_err();
    handled(inbox, &claimed).await;
    let record = inbox.show(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.duplicates), (State::Unknown, 1));
}
