//! Schemas and events.

use std::time::Duration;

use onramp_webhooks::Provider;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, Stage};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Inbox, NewDelivery, QuarantineBound, Recorded, Settled, Settlement};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_testkit::events::WertOrder;
use sqlx::AssertSqlSafe;

pub(crate) use crate::schema::{TestSchema, connection, pool, url};

impl TestSchema {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) async fn open(&self, bound: QuarantineBound) -> PostgresInbox {
        self.options().await.quarantine(bound).open().await.unwrap()
    }

    /// A statement for this schema.
    pub(crate) fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace("onramp.", &format!("{}.", self.0)))
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// A purchase that was never seen before.
pub(crate) fn purchase() -> NewDelivery {
    let order = WertOrder::new();
    let mut new = NewDelivery::new("wert", Provider::Wert, now(), order.complete());
    new.event_type = Some("order_complete".into());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{}", order.id().unwrap()), "order_complete".into()));
    new.stage = Some(Stage::FINAL);
    new
}

pub(crate) async fn record(inbox: &PostgresInbox, new: NewDelivery) -> i64 {
    match inbox.record(new).await.unwrap() {
        Recorded::New(id) => id.as_i64(),
        recorded => panic!("should be new: {recorded:?}"),
    }
}

pub(crate) async fn claim(inbox: &PostgresInbox, limit: usize) -> Vec<ClaimedDelivery> {
    inbox.claim(now(), ClaimRequest::new(limit, Duration::from_secs(30))).await.unwrap().deliveries
}

/// Ends leases that must be held.
pub(crate) async fn handled(inbox: &PostgresInbox, claimed: &[ClaimedDelivery]) {
    let settlements = claimed.iter().map(|claimed| Settlement::new(claimed.lease, Settled::Handled)).collect();
    assert_eq!(inbox.settle(now(), settlements).await.unwrap(), [], "nobody else took them");
}
