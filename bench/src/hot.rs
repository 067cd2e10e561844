//! (g) An order with very many events that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Inbox, NewDelivery};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, Handler, HandlerError};
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::SqliteInbox;
use sqlx::postgres::PgPoolOptions;
use sqlx::raw_sql;

use crate::Scale;
use crate::callers::call;
use crate::orders::{Ids, delivery};
use crate::postgres::Server;
use crate::report::{print, thousands};

/// The endpoint of the events of the order.
const HOT: &str = "hot";

/// The number of concurrent callers that record events of other orders.
const CALLERS: usize = 8;

const SCHEMA: &str = "onramp_bench_hot";

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(async { anyhow::Ok(vec![sqlite(scale).await?, postgres(scale).await?]) })?;
    print(
        "(g) Events per second of an order with many events that wait, and the p99 latency of recording other orders in ms",
        &["store", "events", "handled/s", "p99", "p99 without the order"],
        rows,
    );
    Ok(())
}

async fn sqlite(scale: Scale) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    measure("SQLite", Arc::new(SqliteInbox::open(folder.path().join("inbox.db")).await?), scale).await
}

async fn postgres(scale: Scale) -> anyhow::Result<Vec<String>> {
    let server = Server::start()?;
    let pool = PgPoolOptions::new().max_connections(16).test_before_acquire(false).connect(&server.url).await?;
    raw_sql("DROP SCHEMA IF EXISTS onramp_bench_hot CASCADE").execute(&pool).await?;
    let inbox = PostgresOptions::new(pool.clone()).schema(SCHEMA).open().await?;
    let measured = measure("PostgreSQL", Arc::new(inbox), scale).await;
    raw_sql("DROP SCHEMA onramp_bench_hot CASCADE").execute(&pool).await?;
    measured
}

async fn measure(store: &str, inbox: Arc<dyn Inbox>, scale: Scale) -> anyhow::Result<Vec<String>> {
    let events = if scale.quick { 100 } else { 100_000 };
    let next = Arc::default();
    let (_, without) = handle(&inbox, &next, scale.time).await?;
    fill(&inbox, events).await?;
    let (handled, with) = handle(&inbox, &next, scale.time).await?;
    let millis = |micros: u64| format!("{:.1}", micros as f64 / 1_000.0);
    Ok(vec![store.to_owned(), thousands(events as f64), thousands(handled), millis(with), millis(without)])
}

/// Records the events of one order.
async fn fill(inbox: &Arc<dyn Inbox>, count: u64) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let filling: Vec<_> = (0..512)
        .map(|_| {
            let (inbox, next) = (Arc::clone(inbox), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return anyhow::Ok(());
                    }
                    inbox.record(event(n)?).await?;
                }
            })
        })
        .collect();
    for filler in filling {
        filler.await??;
    }
    Ok(())
}

fn event(n: u64) -> anyhow::Result<NewDelivery> {
    let mut new = delivery(Ids::Ordered, u64::MAX);
    let subject = new.key.as_ref().context("a key")?.subject().to_owned();
    (new.endpoint, new.key) = (HOT.into(), Some(DedupKey::from_parts(subject, n.to_string())));
    Ok(new)
}

/// Records events of other orders while a worker runs. Returns the number of the order's events that were handled per second, and the p99
/// latency of a call in microseconds.
async fn handle(inbox: &Arc<dyn Inbox>, next: &Arc<AtomicU64>, time: Duration) -> anyhow::Result<(f64, u64)> {
    let handled = Arc::new(AtomicU64::new(0));
    let worker = WorkerBuilder::new(Arc::clone(inbox), Arc::new(Count(Arc::clone(&handled)))).spawn();
    let begun = Instant::now();
    let record = {
        let inbox = Arc::clone(inbox);
        move |delivery| {
            let inbox = Arc::clone(&inbox);
            async move { Ok(inbox.record(delivery).await.map(drop)?) }
        }
    };
    let others = call(CALLERS, Ids::Ordered, next, time, record).await?;
    let rate = handled.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    worker.shutdown().await;
    Ok((rate, others.micros.value_at_quantile(0.99)))
}

/// A handler that counts the events of the order.
struct Count(Arc<AtomicU64>);

#[async_trait]
impl Handler for Count {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.0.fetch_add(u64::from(**delivery.endpoint() == *HOT), Ordering::Relaxed);
        Ok(())
    }
}
