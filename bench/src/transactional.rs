//! (h) Deliveries per second through a worker whose handler writes into the inbox's file.

use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, HandlerError, TransactionalHandler};
use onramp_webhooks_sqlite::{SqliteInbox, SqliteTransaction};

use crate::Scale;
use crate::report::{median, print, thousands};
use crate::worker::{NoOp, drain_with, fill};

const TABLE: &str = "CREATE TABLE credits (delivery INTEGER PRIMARY KEY, cents INTEGER NOT NULL) STRICT";

/// A handler that writes one row.
struct Credit(NoOp);

#[async_trait]
impl TransactionalHandler<SqliteTransaction> for Credit {
    async fn handle(&self, delivery: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        let id = delivery.id().as_i64();
        transaction
            .call(move |connection| connection.prepare_cached("INSERT INTO credits VALUES (?, 100)")?.execute([id]))
            .await?;
        Ok(())
    }

    fn committed(&self, _: &Delivery) {
        self.0.count();
    }
}

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (few, many) = if scale.quick { (50, 100) } else { (2_000, 20_000) };
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        alone.push(runtime.block_on(measure(few, Some(1)))?);
        together.push(runtime.block_on(measure(many, None))?);
    }
    let ratio = median(together.iter().zip(&alone).map(|(together, alone)| together / alone).collect());
    print(
        "(h) Deliveries per second through a worker, in SQLite transactions with a row of the handler",
        &["one handler at a time", "concurrent handlers", "ratio"],
        vec![vec![thousands(median(alone)), thousands(median(together)), format!("{ratio:.1}")]],
    );
    Ok(())
}

async fn measure(count: u64, concurrency: Option<usize>) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let sqlite = Arc::new(SqliteInbox::open(folder.path().join("inbox.db")).await?);
    sqlite.call(|connection| connection.execute_batch(TABLE)).await?;
    let inbox: Arc<dyn Inbox> = Arc::clone(&sqlite) as _;
    fill(&inbox, 0, count).await?;
    let worker = |handler| {
        let worker = WorkerBuilder::transactional(Arc::clone(&sqlite), Credit(handler));
        concurrency.into_iter().fold(worker, WorkerBuilder::concurrency)
    };
    let took = drain_with(&inbox, count, worker).await?;
    anyhow::ensure!(inbox.counts().await?.of(State::Handled) == count, "not everything was handled");
    Ok(count as f64 / took.as_secs_f64())
}
