//! Purchases in an inbox, recorded and handled at a fixed time.

use std::time::Duration;

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, DeadCause, DeliveryId, Filter, Inbox, NewDelivery, Quarantine, Recorded, Requeue, Settled,
    Settlement, State,
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

/// Records a delivery that must be new, and returns its id as a number. As a provider does, it sends again what could not be recorded in
/// time, on a machine that is busy with something else.
pub async fn record(inbox: &impl Inbox, new: NewDelivery) -> i64 {
    const TIMES: usize = 5;
    for _ in 1..TIMES {
        match inbox.record(new.clone()).await {
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {}
            recorded => return id_of(recorded.unwrap()),
        }
    }
    id_of(inbox.record(new).await.unwrap())
}

fn id_of(recorded: Recorded) -> i64 {
    match recorded {
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
        assert!(inbox.list(filter).await.unwrap().records.iter().any(|record| record.id == id && record.state == State::Unknown));
    }
    assert_eq!(inbox.list(Filter::all().state(State::Leased)).await.unwrap().records.len(), 1);
    assert_eq!(inbox.record(later.clone()).await.unwrap(), Recorded::Duplicate { first: id, requeued: false });
    inbox.requeue(Requeue::new(now(), id, State::Unknown)).await.unwrap_err();
    inbox.forget(id).await.unwrap_err();
    handled(inbox, &claimed).await;
    let record = inbox.show(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.duplicates), (State::Unknown, 1));
}

/// Asserts that a dead letter, which was settled at second 1, is open again after `settle` has settled it at second 3 as a version does that
/// does not know resolutions.
pub async fn an_older_version_reopens(inbox: &impl Inbox, id: i64, settle: impl AsyncFnOnce()) {
    let id = DeliveryId::from_i64(id);
    inbox.resolve(Timestamp::from_millis(2_000), id, "credited by hand").await.unwrap();
    assert_eq!(inbox.open_counts().await.unwrap().of(State::Dead), 0);
    settle().await;
    assert_eq!(inbox.open_counts().await.unwrap().of(State::Dead), 1);
    let record = inbox.show(id).await.unwrap().unwrap();
    assert_eq!((record.resolved_at, record.resolution), (None, None));
    let open = inbox.list(Filter::all().state(State::Dead).resolved(false)).await.unwrap().records;
    assert_eq!(open.iter().map(|record| record.id).collect::<Vec<_>>(), [id]);
}

/// Asserts that the filters that use an index find their deliveries among many others by looking at few.
pub async fn indexed_filters_look_at_few(inbox: &impl Inbox) {
    let id = "01M7BZ0123456789ABCDEFGHJK";
    let new = |nth: u32, order: &str| {
        let mut new = NewDelivery::new("wert", "wert", now(), format!("{nth}").into());
        new.key = Some(DedupKey::new("wert", "order", order, format!("event-{nth}")));
        new.stage = Some(OrderStage::STARTED);
        new
    };
    let dead = record(inbox, new(0, id)).await;
    let (leased, pending) = (record(inbox, new(1, id)).await, record(inbox, new(2, id)).await);
    let refused = Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "x".into() };
    let settlements = claim(inbox, 1).await.iter().map(|claimed| Settlement::new(claimed.lease, refused.clone())).collect();
    inbox.settle(now(), settlements).await.unwrap();
    let mut unreadable = new(9, "quarantined");
    unreadable.quarantine = Some(Quarantine::unreadable("x"));
    let quarantined = record(inbox, unreadable).await;
    let claimed = claim(inbox, 1).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [leased]);
    for nth in 100..150 {
        record(inbox, new(nth, &format!("{nth}"))).await;
    }
    handled(inbox, &claim(inbox, 50).await).await;
    let subject = format!("wert/order/{id}");
    let key = DedupKey::new("wert", "order", id, "event-1");
    let open = Filter::all().resolved(false);
    for (filter, expected) in [
        (Filter::all().about(id), vec![pending, leased, dead]),
        (Filter::all().order(subject).oldest_first(), vec![dead, leased, pending]),
        (Filter::all().key(key), vec![leased]),
        (Filter::all().state(State::Pending).state(State::Leased), vec![pending, leased]),
        (open.clone().state(State::Dead), vec![dead]),
        (open.clone().cause(DeadCause::AttemptsUsedUp), vec![dead]),
        (open.clone().state(State::Quarantined).state(State::Pending), vec![quarantined, pending]),
        (open.state(State::Conflict), vec![]),
    ] {
        let page = inbox.list(filter.clone().search_limit(5)).await.unwrap();
        assert_eq!(page.records.iter().map(|record| record.id.as_i64()).collect::<Vec<_>>(), expected, "{filter:?}");
        assert!(page.next.is_none(), "{filter:?} looks at all: {page:?}");
    }
    let walked = inbox.list(Filter::all().state(State::Dead).search_limit(5)).await.unwrap();
    assert!(walked.next.is_some(), "resolved ones are in no index");
}
