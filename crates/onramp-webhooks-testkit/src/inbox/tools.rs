//! Helpers for the cases. They panic if a store call fails.

use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::event::Money;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, ClaimedDelivery, Claims, DeadCause, DeliveryId, Filter, Lease, NewDelivery, Quarantine, Record, Recorded,
    Replayed, Requeue, Settled, Settlement, State,
};

use super::Fixture;
pub(crate) use crate::tools::{at, patiently, soon};

/// The lease duration of claims.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// An event of an order, received at second 0.
pub(crate) fn order_event(order: &str, event_type: &str, stage: OrderStage) -> NewDelivery {
    let body = format!(r#"{{"type":"{event_type}","order":{{"id":"{order}"}}}}"#);
    let mut new = NewDelivery::new("wert", "wert", at(0), body.into());
    new.event_type = Some(event_type.into());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{order}"), event_type.into()));
    new.stage = Some(stage);
    new
}

pub(crate) fn complete(order: &str) -> NewDelivery {
    order_event(order, "order_complete", OrderStage::FINAL)
}

pub(crate) fn started(order: &str) -> NewDelivery {
    order_event(order, "payment_started", OrderStage::STARTED)
}

/// An event without an order, whose key expires at second `expires`.
pub(crate) fn login(click: &str, expires: i64) -> NewDelivery {
    let body = format!(r#"{{"type":"login","click_id":"{click}"}}"#);
    let mut new = NewDelivery::new("wert", "wert", at(0), body.into());
    new.event_type = Some("login".into());
    new.key = Some(DedupKey::from_parts(format!("wert/click/{click}"), format!("login:{}", new.fingerprint)));
    new.key_expires_at = Some(at(expires));
    new
}

/// An event that is never a duplicate.
pub(crate) fn keyless() -> NewDelivery {
    let mut new = NewDelivery::new("wert", "wert", at(0), Bytes::from_static(br#"{"type":"test"}"#));
    new.event_type = Some("test".into());
    new
}

/// A body that could not be read, with the key that the receiver gives it.
pub(crate) fn quarantined(body: impl Into<Bytes>, quarantine: Quarantine) -> NewDelivery {
    let mut new = NewDelivery::new("wert", "wert", at(0), body.into());
    new.key = Some(DedupKey::from_parts("wert/quarantine/".into(), new.fingerprint.to_string()));
    new.quarantine = Some(quarantine);
    new
}

pub(crate) fn noise(body: impl Into<Bytes>) -> NewDelivery {
    quarantined(body, Quarantine::noise("not JSON: line 1, column 1"))
}

pub(crate) fn unreadable(body: impl Into<Bytes>) -> NewDelivery {
    quarantined(body, Quarantine::unreadable("order: missing"))
}

/// The same event with another body.
pub(crate) fn saying(mut new: NewDelivery, body: impl Into<Bytes>) -> NewDelivery {
    new.body = body.into();
    new.fingerprint = Fingerprint::of(&new.body).with_money(&[]);
    new
}

/// The same event with `amount` US dollars.
pub(crate) fn paying(mut new: NewDelivery, amount: &str) -> NewDelivery {
    let money = Money::new(amount.parse().expect("the amount of a case"), "USD".into());
    new.fingerprint = new.fingerprint.with_money(&[money]);
    new
}

/// The same event as a synthetic delivery.
pub(crate) fn synthetic(mut new: NewDelivery) -> NewDelivery {
    new.body = Bytes::from_static(br#"{"type":"order_complete","made":"here"}"#);
    new.fingerprint = new.fingerprint.to_synthetic();
    new
}

/// The same event, received at second `seconds`.
pub(crate) fn received(mut new: NewDelivery, seconds: i64) -> NewDelivery {
    new.received_at = at(seconds);
    new
}

/// Describes a record for comparison.
pub(crate) fn described(record: &Record) -> String {
    let key = record.key.as_ref().map(ToString::to_string);
    format!("{record:?} {key:?} {:?} {:?} {:?}", record.fingerprint, record.note, record.body)
}

pub(crate) fn ids(claimed: &[ClaimedDelivery]) -> Vec<DeliveryId> {
    claimed.iter().map(|claimed| claimed.lease.id).collect()
}

pub(crate) fn retry(seconds: i64) -> Settled {
    Settled::Retry { at: at(seconds), error: "out of order".into() }
}

pub(crate) fn parked(seconds: i64) -> Settled {
    Settled::Parked { until: at(seconds), reason: "no such customer yet".into() }
}

pub(crate) fn dead() -> Settled {
    dead_of(DeadCause::RefusedByHandler)
}

/// A dead letter that a duplicate requeues.
pub(crate) fn used_up() -> Settled {
    dead_of(DeadCause::AttemptsUsedUp)
}

pub(crate) fn dead_of(cause: DeadCause) -> Settled {
    Settled::Dead { cause, error: "refused for good".into() }
}

impl Fixture {
    pub(crate) async fn tell(&self, new: NewDelivery) -> Recorded {
        patiently(|| self.record(new.clone())).await.unwrap()
    }

    /// Records a delivery that must be new.
    pub(crate) async fn new_id(&self, new: NewDelivery) -> DeliveryId {
        let shown = format!("{:?} {:?}", new.event_type, new.key);
        match self.tell(new).await {
            Recorded::New(id) => id,
            recorded => panic!("{shown} is {recorded:?}, and should be new"),
        }
    }

    pub(crate) async fn claims(&self, seconds: i64, limit: usize) -> Claims {
        patiently(|| self.claim(at(seconds), ClaimRequest::new(limit, LEASE))).await.unwrap()
    }

    /// Claims all due deliveries.
    pub(crate) async fn due(&self, seconds: i64) -> Vec<ClaimedDelivery> {
        self.claims(seconds, 10_000).await.deliveries
    }

    /// Claims the only due delivery.
    pub(crate) async fn one_due(&self, seconds: i64) -> ClaimedDelivery {
        let mut due = self.due(seconds).await;
        assert_eq!(due.len(), 1, "one should be due: {due:?}");
        due.remove(0)
    }

    /// Settles a lease, and returns whether it was held.
    pub(crate) async fn end(&self, seconds: i64, lease: Lease, outcome: Settled) -> bool {
        let settlements = vec![Settlement::new(lease, outcome)];
        let lost = patiently(|| self.settle(at(seconds), settlements.clone())).await.unwrap();
        assert!(lost.is_empty() || lost == [lease], "another lease was reported as lost: {lost:?}");
        lost.is_empty()
    }

    /// Records `new`, claims it at second `seconds` and ends it with `outcome` in the same second. Nothing else may be due.
    pub(crate) async fn led_to(&self, seconds: i64, new: NewDelivery, outcome: Settled) -> DeliveryId {
        let id = self.new_id(new).await;
        let claimed = self.one_due(seconds).await;
        assert_eq!(claimed.lease.id, id);
        assert!(self.end(seconds, claimed.lease, outcome).await, "the lease was lost");
        id
    }

    pub(crate) async fn see(&self, id: DeliveryId) -> Record {
        self.show(id).await.unwrap().unwrap_or_else(|| panic!("delivery {id} is gone"))
    }

    pub(crate) async fn state(&self, id: DeliveryId) -> State {
        self.see(id).await.state
    }

    /// Requeues a delivery in any state.
    pub(crate) async fn requeue_any(&self, id: DeliveryId, reread: Option<NewDelivery>) -> Result<Replayed, StoreError> {
        let seen = self.show(id).await.unwrap().map_or(State::Dead, |record| record.state);
        self.requeue(Requeue::new(at(1_000), id, seen).reread(reread)).await
    }

    pub(crate) async fn is_gone(&self, id: DeliveryId) -> bool {
        self.show(id).await.unwrap().is_none()
    }

    pub(crate) async fn everything(&self) -> Vec<Record> {
        self.list(Filter::all().limit(10_000)).await.unwrap().records
    }

    /// Records one delivery in every state, in the order of [`State::ALL`]. Some time passes after second 10, but the failed ones are not
    /// due yet.
    pub(crate) async fn one_of_each(&self) -> [DeliveryId; 8] {
        let handled = self.led_to(0, complete("handled"), Settled::Handled).await;
        let dead = self.led_to(0, complete("dead"), dead()).await;
        let retrying = self.led_to(0, complete("retrying"), retry(1_000)).await;
        let parked = self.led_to(0, complete("parked"), parked(2_000)).await;
        let quarantined = self.new_id(unreadable("{}")).await;
        let kept = match self.tell(saying(complete("handled"), "another")).await {
            Recorded::Conflict { kept, .. } => kept,
            recorded => panic!("a conflict is {recorded:?}"),
        };
        let leased = self.new_id(complete("leased")).await;
        let claimed = self.claim(at(10), ClaimRequest::new(1, Duration::from_secs(3_000))).await.unwrap().deliveries;
        assert_eq!(ids(&claimed), [leased]);
        let pending = self.new_id(complete("pending")).await;
        [pending, leased, retrying, parked, handled, dead, quarantined, kept]
    }
}
