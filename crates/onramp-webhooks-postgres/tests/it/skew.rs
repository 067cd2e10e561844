//! Machines whose clocks are hours apart, on one schema. Leases follow the wall clock, so the machine that is ahead takes over
//! their leases; completed deliveries stay completed, and are counted once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::{DeliveryId, Filter, Inbox, State};
use onramp_webhooks::worker::{RetryPolicy, Worker, WorkerBuilder};
use onramp_webhooks::{Delivery, Handler, HandlerError, TransactionalHandler, async_trait};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions, PostgresTransaction};
use sqlx::raw_sql;

use crate::tools::{TestSchema, connection, pool, purchase, record, until};

const HOURS: i64 = 3 * 3_600;

const DELIVERIES: usize = 300;

/// The machine's clock, so many seconds later.
#[derive(Debug)]
struct Skewed(i64);

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock::default().now().as_millis() + self.0 * 1_000)
    }

    async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep(moment.since(self.now())).await;
    }
}

/// The calls of the handlers of all machines.
#[derive(Default)]
struct Seen {
    begun: AtomicUsize,
    committed: Mutex<BTreeMap<DeliveryId, usize>>,
}

#[derive(Clone)]
struct Shop {
    schema: Arc<TestSchema>,
    seen: Arc<Seen>,
}

impl Shop {
    /// Long enough for others to take it away.
    async fn works(&self) {
        self.seen.begun.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..30))).await;
    }

    async fn ledger(&self) -> Vec<i64> {
        let ledger = self.schema.sql("SELECT delivery FROM onramp.ledger ORDER BY delivery");
        sqlx::query_scalar(ledger).fetch_all(&mut connection().await).await.unwrap()
    }
}

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        self.works().await;
        Ok(())
    }
}

/// Returns whether the first attempt of a delivery fails.
fn fails_first(id: DeliveryId) -> bool {
    id.as_i64() % 5 == 0
}

#[async_trait]
impl TransactionalHandler<PostgresTransaction> for Shop {
    async fn handle(&self, delivery: &Delivery, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        let write = self.schema.sql("INSERT INTO onramp.ledger VALUES ($1)");
        sqlx::query(write).bind(delivery.id().as_i64()).execute(&mut **transaction).await?;
        self.works().await;
        if delivery.attempt() == 1 && fails_first(delivery.id()) {
            return Err(HandlerError::transient("out of order"));
        }
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        *self.seen.committed.lock().unwrap().entry(delivery.id()).or_default() += 1;
    }
}

/// A schema with deliveries, and an inbox for each machine.
async fn machines() -> (Shop, [Arc<PostgresInbox>; 3]) {
    let schema = Arc::new(TestSchema::new());
    let open = async || Arc::new(PostgresOptions::new(pool(7).await).schema(schema.name()).open().await.unwrap());
    let inboxes = [open().await, open().await, open().await];
    raw_sql(schema.sql("CREATE TABLE onramp.ledger (delivery BIGINT NOT NULL)")).execute(&mut connection().await).await.unwrap();
    for _ in 0..DELIVERIES {
        record(&inboxes[0], purchase()).await;
    }
    (Shop { schema, seen: Arc::default() }, inboxes)
}

/// A worker for each, with clocks hours apart.
fn work(inboxes: &[Arc<PostgresInbox>; 3], builder: impl Fn(Arc<PostgresInbox>) -> WorkerBuilder) -> Vec<Worker> {
    let clocks = [Skewed(-HOURS), Skewed(0), Skewed(HOURS)];
    let quick = RetryPolicy::new(20, Duration::from_millis(5), Duration::from_millis(5));
    let start = |(inbox, clock): (&Arc<PostgresInbox>, Skewed)| {
        let worker = builder(Arc::clone(inbox)).clock(Arc::new(clock)).retry(quick);
        worker.concurrency(4).batch(8).poll(Duration::from_millis(20)).spawn()
    };
    inboxes.iter().zip(clocks).map(start).collect()
}

async fn all_are_handled(inbox: &PostgresInbox) {
    let all = DELIVERIES as u64;
    until("all are handled", async || inbox.counts().await.unwrap().of(State::Handled) == all).await;
    assert_eq!(inbox.counts().await.unwrap().iter().map(|(_, count)| count).sum::<u64>(), all);
}

async fn end(workers: Vec<Worker>) {
    for worker in workers {
        worker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_handlers_effects_happen_once() {
    let (shop, inboxes) = machines().await;
    let workers = work(&inboxes, |inbox| WorkerBuilder::transactional(inbox, shop.clone()));
    all_are_handled(&inboxes[0]).await;
    end(workers).await;
    let ledger = shop.ledger().await;
    let kept = inboxes[0].list(Filter::all().limit(1_000)).await.unwrap().records;
    let ids: Vec<_> = kept.iter().rev().map(|record| record.id.as_i64()).collect();
    assert_eq!(ledger, ids, "each delivery's effect, once");
    for record in &kept {
        // Two machines may have failed at it at the same time, and both count.
        let as_expected = if fails_first(record.id) { record.attempts >= 2 } else { record.attempts == 1 };
        assert!(as_expected, "{record:?}");
        assert_eq!(shop.seen.committed.lock().unwrap().get(&record.id), Some(&1));
    }
    let begun = shop.seen.begun.load(Ordering::SeqCst);
    let counted: usize = kept.iter().map(|record| record.attempts as usize).sum();
    assert!(begun > counted, "nobody took anything from anybody");
    println!("{begun} attempts, of which {counted} counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_plain_handler_what_was_completed_is_completed_once() {
    let (shop, inboxes) = machines().await;
    let workers = work(&inboxes, |inbox| WorkerBuilder::new(inbox, Arc::new(shop.clone())));
    all_are_handled(&inboxes[0]).await;
    end(workers).await;
    let kept = inboxes[0].list(Filter::all().limit(1_000)).await.unwrap().records;
    assert!(kept.iter().all(|record| record.attempts == 1), "each was counted once");
    let begun = shop.seen.begun.load(Ordering::SeqCst);
    assert!(begun > DELIVERIES, "nobody took anything from anybody");
    println!("{begun} calls for {DELIVERIES} deliveries");
    // No machine finds anything to do, by any clock.
    let workers = work(&inboxes, |inbox| WorkerBuilder::new(inbox, Arc::new(shop.clone())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    end(workers).await;
    assert_eq!(shop.seen.begun.load(Ordering::SeqCst), begun, "what was completed was handled again");
}
