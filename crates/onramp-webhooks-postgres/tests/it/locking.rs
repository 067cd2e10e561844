//! The order in which transactions lock rows. Two that take the same rows in different orders would end in a deadlock.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::{
    DeliveryId, Inbox, Lease, NewDelivery, Quarantine, QuarantineBound, Recorded, Replayed, Requeue, Settled, Settlement, State,
};
use onramp_webhooks_postgres::PostgresInbox;
use sqlx::{PgConnection, raw_sql};
use tokio::task::JoinHandle;

use crate::promoting::{events, until_blocked};
use crate::tools::{TestSchema, claim, connection, now, purchase, record};

/// Another transaction, which holds the row of one delivery.
struct Other {
    schema: TestSchema,
    inbox: Arc<PostgresInbox>,
    connection: PgConnection,
}

impl Other {
    async fn new() -> Self {
        let schema = TestSchema::new();
        let inbox = Arc::new(schema.open(QuarantineBound::default()).await);
        Self { schema, inbox, connection: connection().await }
    }

    async fn holds(&mut self, id: i64) {
        raw_sql("BEGIN").execute(&mut self.connection).await.unwrap();
        let lock = self.schema.sql("SELECT FROM onramp.deliveries WHERE id = $1 FOR UPDATE");
        sqlx::query(lock).bind(id).execute(&mut self.connection).await.unwrap();
    }

    /// Waits until `task` waits for the row, and returns the rows that nobody holds.
    async fn free_beside<T>(&mut self, task: &JoinHandle<T>) -> Vec<i64> {
        until_blocked(&mut self.connection, 1, task).await;
        let free = self.schema.sql("SELECT id FROM onramp.deliveries ORDER BY id FOR UPDATE SKIP LOCKED");
        sqlx::query_scalar(free).fetch_all(&mut connection().await).await.unwrap()
    }

    async fn ends(&mut self) {
        raw_sql("ROLLBACK").execute(&mut self.connection).await.unwrap();
    }

    /// Records two events of an order, and returns the first. It waits for its time behind the second, which is being handled and whose row
    /// is held.
    async fn behind_a_held_head(&mut self) -> (NewDelivery, i64) {
        let [first, second] = events();
        let id = record(&*self.inbox, first.clone()).await;
        let later = now().after(Duration::from_secs(60));
        let retry = Settlement::new(self.lease(id).await, Settled::Retry { at: later, error: "again".into() });
        assert_eq!(self.inbox.settle(now(), vec![retry]).await.unwrap(), []);
        let head = record(&*self.inbox, second).await;
        self.lease(head).await;
        self.holds(head).await;
        (first, id)
    }

    async fn lease(&self, id: i64) -> Lease {
        let claimed = claim(&*self.inbox, 10).await;
        assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [id]);
        claimed[0].lease
    }
}

#[tokio::test]
async fn a_renewal_and_a_settlement_lock_rows_by_their_ids() {
    for settles in [false, true] {
        let mut other = Other::new().await;
        for _ in 0..3 {
            record(&*other.inbox, purchase()).await;
        }
        let leases: Vec<_> = claim(&*other.inbox, 10).await.into_iter().rev().map(|claimed| claimed.lease).collect();
        assert_eq!(leases[0].id, DeliveryId::from_i64(3));
        other.holds(2).await;
        let inbox = Arc::clone(&other.inbox);
        let task = tokio::spawn(async move {
            if !settles {
                return inbox.renew(leases, now().after(Duration::from_secs(60))).await;
            }
            let settlements = leases.into_iter().map(|lease| Settlement::new(lease, Settled::Handled)).collect();
            inbox.settle(now(), settlements).await
        });
        assert_eq!(other.free_beside(&task).await, [3], "settles: {settles}");
        other.ends().await;
        assert_eq!(task.await.unwrap().unwrap(), []);
    }
}

#[tokio::test]
async fn a_duplicate_waits_for_the_head_of_its_order_before_it_locks_another_row() {
    let mut other = Other::new().await;
    let (first, id) = other.behind_a_held_head().await;
    let inbox = Arc::clone(&other.inbox);
    let duplicate = tokio::spawn(async move { inbox.record(first).await });
    assert_eq!(other.free_beside(&duplicate).await, [id]);
    other.ends().await;
    let first = DeliveryId::from_i64(id);
    assert_eq!(duplicate.await.unwrap().unwrap(), Recorded::Duplicate { first, requeued: true });
}

#[tokio::test]
async fn a_replay_waits_for_the_heads_of_all_orders_before_it_locks_another_row() {
    let mut other = Other::new().await;
    let mut unreadable = purchase();
    (unreadable.key, unreadable.stage) = (None, None);
    unreadable.quarantine = Some(Quarantine::unreadable("order: missing"));
    let unreadable = record(&*other.inbox, unreadable).await;
    let (first, id) = other.behind_a_held_head().await;
    let inbox = Arc::clone(&other.inbox);
    let request = Requeue::new(now(), DeliveryId::from_i64(unreadable), State::Quarantined).reread(first);
    let reread = async move { inbox.requeue(request).await };
    let replay = tokio::spawn(reread);
    assert_eq!(other.free_beside(&replay).await, [unreadable, id]);
    other.ends().await;
    assert_eq!(replay.await.unwrap().unwrap(), Replayed::Duplicate { first: DeliveryId::from_i64(id) });
}
