//! Transactions that change an order at the same time. None may strand a delivery behind a head that is gone.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Inbox, Lease, NewDelivery, QuarantineBound, Recorded, Settled, Settlement, TransactionalInbox};
use onramp_webhooks_postgres::PostgresInbox;
use sqlx::{Connection, PgConnection, raw_sql};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::tools::{TestSchema, claim, connection, handled, now, purchase, record};

/// Returns events of one order.
pub(crate) fn events<const N: usize>() -> [NewDelivery; N] {
    let first = purchase();
    let subject = first.key.as_ref().unwrap().subject().to_owned();
    std::array::from_fn(|event| {
        let mut new = first.clone();
        new.key = Some(DedupKey::from_parts(subject.clone(), event.to_string()));
        new
    })
}

/// A schema in which a transaction that inserts a delivery stops before its commit, until the gate is opened.
struct Gated {
    schema: TestSchema,
    inbox: Arc<PostgresInbox>,
}

impl Gated {
    async fn new() -> Self {
        let schema = TestSchema::new();
        let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
        let gate = format!(
            "CREATE FUNCTION onramp.stop() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_advisory_xact_lock_shared(hashtextextended(''{}'', 0)); RETURN NULL; END';
             CREATE TRIGGER stop AFTER INSERT ON onramp.deliveries FOR EACH ROW EXECUTE FUNCTION onramp.stop();",
            schema.name()
        );
        raw_sql(schema.sql(&gate)).execute(&mut connection().await).await.unwrap();
        Self { schema, inbox }
    }

    /// Closes the gate until the connection is closed.
    async fn close(&self) -> PgConnection {
        let mut gate = connection().await;
        let lock = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
        sqlx::query(lock).bind(self.schema.name()).execute(&mut gate).await.unwrap();
        gate
    }

    fn record(&self, delivery: NewDelivery) -> JoinHandle<i64> {
        let inbox = Arc::clone(&self.inbox);
        tokio::spawn(async move { record(&*inbox, delivery).await })
    }

    async fn claim_one(&self) -> (i64, Lease) {
        let claimed = claim(&*self.inbox, 10).await;
        assert_eq!(claimed.len(), 1);
        (claimed[0].lease.id.as_i64(), claimed[0].lease)
    }
}

const BLOCKED: &str = "WITH RECURSIVE waiting AS MATERIALIZED (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted), blocked AS (
        SELECT pid FROM waiting WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))
        UNION
        SELECT waiting.pid FROM waiting JOIN blocked ON blocked.pid = ANY (pg_blocking_pids(waiting.pid))
    ) SELECT count(*) FROM blocked";

/// Waits until so many sessions wait for `holder`, or for one that waits for it. Returns early if `task` ends without having waited.
pub(crate) async fn until_blocked<T>(holder: &mut PgConnection, sessions: i64, task: &JoinHandle<T>) {
    let blocked = async {
        while !task.is_finished() && sqlx::query_scalar::<_, i64>(BLOCKED).fetch_one(&mut *holder).await.unwrap() < sessions {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), blocked).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_goes_behind_a_head_that_is_being_settled_follows_it() {
    for outcome in [Settled::Handled, Settled::Retry { at: now(), error: "again".into() }] {
        let gated = Gated::new().await;
        let [first, second] = events();
        record(&*gated.inbox, first).await;
        let (_, lease) = gated.claim_one().await;
        let there = Arc::new(gated.schema.open(QuarantineBound::default()).await);
        let mut gate = gated.close().await;
        let recording = gated.record(second);
        until_blocked(&mut gate, 1, &recording).await;
        let settling = tokio::spawn(async move { there.settle(now(), vec![Settlement::new(lease, outcome)]).await });
        until_blocked(&mut gate, 2, &settling).await;
        gate.close().await.unwrap();
        let second = recording.await.unwrap();
        assert_eq!(settling.await.unwrap().unwrap(), []);
        assert_eq!(gated.claim_one().await.0, second);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_goes_behind_a_head_that_is_being_completed_follows_it() {
    let gated = Gated::new().await;
    let [first, second, third] = events();
    record(&*gated.inbox, first).await;
    record(&*gated.inbox, second).await;
    let (_, lease) = gated.claim_one().await;
    let transaction = gated.inbox.begin(Duration::from_secs(30)).await.unwrap();
    assert!(gated.inbox.complete(transaction, now(), lease).await.unwrap());
    let (id, lease) = gated.claim_one().await;
    assert_eq!(id, 2);
    let mut gate = gated.close().await;
    let recording = gated.record(third);
    until_blocked(&mut gate, 1, &recording).await;
    let inbox = Arc::clone(&gated.inbox);
    let completing = tokio::spawn(async move {
        let transaction = inbox.begin(Duration::from_secs(30)).await.unwrap();
        inbox.complete(transaction, now(), lease).await
    });
    until_blocked(&mut gate, 2, &completing).await;
    gate.close().await.unwrap();
    let third = recording.await.unwrap();
    assert!(completing.await.unwrap().unwrap());
    assert_eq!(gated.claim_one().await.0, third);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_first_events_one_waits_behind_the_other() {
    let gated = Gated::new().await;
    let [first, second, third] = events();
    let there = Arc::new(gated.schema.open(QuarantineBound::default()).await);
    let mut gate = gated.close().await;
    let first = gated.record(first);
    until_blocked(&mut gate, 1, &first).await;
    let other = tokio::spawn(async move { (record(&*there, second).await, record(&*there, third).await) });
    until_blocked(&mut gate, 2, &other).await;
    gate.close().await.unwrap();
    let (second, third) = other.await.unwrap();
    let expected = [first.await.unwrap(), second, third];
    for id in expected {
        let claimed = claim(&*gated.inbox, 10).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [id]);
        handled(&*gated.inbox, &claimed).await;
    }
}

/// The head ends in a transaction that promotes nothing, while the delivery waits for its row.
#[tokio::test]
async fn a_delivery_whose_head_ends_meanwhile_is_the_next_head() {
    let schema = TestSchema::new();
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    let [first, second] = events();
    let head = record(&*inbox, first).await;
    let mut other = connection().await;
    raw_sql("BEGIN").execute(&mut other).await.unwrap();
    let end = schema.sql("UPDATE onramp.deliveries SET state = 4, due_at = NULL, settled_at = 0 WHERE id = $1");
    sqlx::query(end).bind(head).execute(&mut other).await.unwrap();
    let recording = tokio::spawn({
        let inbox = Arc::clone(&inbox);
        async move { record(&*inbox, second).await }
    });
    until_blocked(&mut other, 1, &recording).await;
    raw_sql("COMMIT").execute(&mut other).await.unwrap();
    let second = recording.await.unwrap();
    let claimed = claim(&*inbox, 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [second]);
}

/// The second event is in one batch with a duplicate of the first. The runtime has one thread, so that calls arrive in the order of their
/// tasks.
#[tokio::test]
async fn events_of_one_order_in_one_batch_are_handled_in_their_sequence() {
    let schema = TestSchema::new();
    let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
    let [first, second, third] = events();
    let calls = [purchase(), first.clone(), first, second, third].map(|delivery| {
        let inbox = Arc::clone(&inbox);
        tokio::spawn(async move { inbox.record(delivery).await.unwrap() })
    });
    let mut ids = Vec::new();
    for call in calls {
        if let Recorded::New(id) = call.await.unwrap() {
            ids.push(id);
        }
    }
    assert_eq!(ids.len(), 4);
    let claimed = claim(&*inbox, 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.lease.id).collect::<Vec<_>>(), ids[..2]);
    handled(&*inbox, &claimed).await;
    for id in &ids[2..] {
        let claimed = claim(&*inbox, 10).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.lease.id).collect::<Vec<_>>(), [*id]);
        handled(&*inbox, &claimed).await;
    }
}
