//! Schemas, connections and events.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use onramp_webhooks::Provider;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, Stage};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Inbox, NewDelivery, QuarantineBound, Recorded, Settled, Settlement};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use onramp_webhooks_testkit::events::WertOrder;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// Where the server is.
pub(crate) fn url() -> String {
    let url = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres"));
    url.unwrap_or_else(|| "postgres://postgres@127.0.0.1:5432/postgres".into())
}

/// A schema of its own for every test, which is dropped after it.
pub(crate) struct TestSchema(String);

impl TestSchema {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
        Self(format!("onramp_test_{time}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// An inbox with a pool of its own, as on a machine of its own.
    pub(crate) async fn open(&self, bound: QuarantineBound) -> PostgresInbox {
        PostgresOptions::new(pool(4).await).schema(&self.0).quarantine(bound).open().await.unwrap()
    }

    /// A statement for this schema.
    pub(crate) fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace("onramp.", &format!("{}.", self.0)))
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.0));
        // The test's own runtime may be the one that drops this.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = connection().await;
                sqlx::raw_sql("SET lock_timeout = '10s'").execute(&mut connection).await.unwrap();
                sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("{} was not dropped", self.0);
        }
    }
}

pub(crate) async fn pool(connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(20));
    options.connect(&url()).await.unwrap()
}

/// A connection beside every inbox.
pub(crate) async fn connection() -> PgConnection {
    PgConnection::connect(&url()).await.unwrap()
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
