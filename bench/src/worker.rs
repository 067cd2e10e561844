//! (c) Deliveries per second through the worker, with a handler that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use onramp_webhooks::inbox::{Inbox, State};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, Handler, HandlerError, TransactionalHandler};
use onramp_webhooks_sqlite::SqliteInbox;
use tokio::sync::Notify;

use crate::Scale;
use crate::orders::{Ids, delivery};
use crate::report::{median, print, thousands};

/// A countdown that notifies at zero.
#[derive(Debug)]
struct Countdown {
    left: AtomicU64,
    done: Notify,
}

/// A handler that does nothing, with and without a transaction.
pub(crate) struct NoOp(Arc<Countdown>);

#[async_trait]
impl Handler for NoOp {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        self.0.decrement();
        Ok(())
    }
}

#[async_trait]
impl<Tx: Send> TransactionalHandler<Tx> for NoOp {
    async fn handle(&self, _: &Delivery, _: &mut Tx) -> Result<(), HandlerError> {
        self.0.decrement();
        Ok(())
    }
}

impl NoOp {
    /// Counts a delivery as handled.
    pub(crate) fn count(&self) {
        self.0.decrement();
    }
}

impl Countdown {
    fn decrement(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
    }
}

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sizes, drained): (&[u64], u64) = if scale.quick { (&[100], 1_000) } else { (&[1_000, 1_000_000], 200_000) };
    let mut rows = Vec::new();
    let mut first = f64::NAN;
    for &handled in sizes {
        let rates = runtime.block_on(measure(handled, drained, scale.rounds))?;
        let rate = median(rates);
        if first.is_nan() {
            first = rate;
        }
        rows.push(vec![thousands(handled as f64), thousands(rate), format!("{:.2}", rate / first)]);
    }
    print("(c) Deliveries per second through the worker", &["handled rows in the table", "drained/s", "to the first"], rows);
    Ok(())
}

async fn measure(handled: u64, drained: u64, rounds: usize) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let inbox: Arc<dyn Inbox> = Arc::new(SqliteInbox::open(folder.path().join("inbox.db")).await?);
    fill(&inbox, 0, handled).await?;
    drain(&inbox, handled).await?;
    let mut rates = Vec::new();
    for round in 0..rounds as u64 {
        fill(&inbox, handled + round * drained, drained).await?;
        rates.push(drained as f64 / drain(&inbox, drained).await?.as_secs_f64());
    }
    Ok(rates)
}

/// Records `count` deliveries, starting with order number `first`.
pub(crate) async fn fill(inbox: &Arc<dyn Inbox>, first: u64, count: u64) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU64::new(first));
    let filling: Vec<_> = (0..512)
        .map(|_| {
            let (inbox, next) = (Arc::clone(inbox), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= first + count {
                        return anyhow::Ok(());
                    }
                    inbox.record(delivery(Ids::Ordered, n)).await?;
                }
            })
        })
        .collect();
    for filler in filling {
        filler.await??;
    }
    Ok(())
}

/// Runs a worker until it has handled `count` deliveries, and returns the time it took.
async fn drain(inbox: &Arc<dyn Inbox>, count: u64) -> anyhow::Result<Duration> {
    drain_with(inbox, count, |handler| WorkerBuilder::new(Arc::clone(inbox), Arc::new(handler))).await
}

/// Does the same as [`drain`], with a worker that `worker` builds around the handler.
pub(crate) async fn drain_with(
    inbox: &Arc<dyn Inbox>,
    count: u64,
    worker: impl FnOnce(NoOp) -> WorkerBuilder,
) -> anyhow::Result<Duration> {
    let counting = Arc::new(Countdown { left: AtomicU64::new(count), done: Notify::new() });
    let begun = Instant::now();
    let worker = worker(NoOp(Arc::clone(&counting))).batch(512).spawn();
    counting.done.notified().await;
    worker.shutdown().await;
    let took = begun.elapsed();
    anyhow::ensure!(inbox.counts().await?.of(State::Pending) == 0, "not everything was handled");
    Ok(took)
}
