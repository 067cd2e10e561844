//! Concurrent callers that record deliveries one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use onramp_webhooks::inbox::NewDelivery;

use crate::orders::{Ids, delivery};

/// The throughput and latency of the callers.
pub(crate) struct CallStats {
    /// Deliveries per second.
    pub(crate) rate: f64,
    /// Latencies in microseconds.
    pub(crate) micros: Histogram<u64>,
}

/// Runs this number of callers for `time`. Each records its next delivery when the previous one is durable. `next` is the number of the
/// next order.
pub(crate) async fn call<R, F>(
    callers: usize,
    ids: Ids,
    next: &Arc<AtomicU64>,
    time: Duration,
    record: R,
) -> anyhow::Result<CallStats>
where
    R: Fn(NewDelivery) -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let begun = Instant::now();
    let end = begun + time;
    let calling: Vec<_> = (0..callers)
        .map(|_| {
            let (record, next) = (record.clone(), Arc::clone(next));
            tokio::spawn(async move {
                let mut micros = Histogram::<u64>::new(3)?;
                let mut called = Instant::now();
                while called < end {
                    record(delivery(ids, next.fetch_add(1, Ordering::Relaxed))).await?;
                    let returned = Instant::now();
                    micros.record(u64::try_from((returned - called).as_micros())?)?;
                    called = returned;
                }
                anyhow::Ok(micros)
            })
        })
        .collect();
    let mut micros = Histogram::new(3)?;
    for caller in calling {
        micros.add(caller.await??)?;
    }
    Ok(CallStats { rate: micros.len() as f64 / begun.elapsed().as_secs_f64(), micros })
}
