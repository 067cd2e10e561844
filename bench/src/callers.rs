//! Callers that wait for each of their deliveries to be durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use onramp_webhooks::inbox::NewDelivery;

use crate::orders::Ids;
use crate::orders::delivery;

/// What they found.
pub(crate) struct Found {
    /// Deliveries a second.
    pub(crate) rate: f64,
    /// Microseconds of a call.
    pub(crate) micros: Histogram<u64>,
}

/// Lets so many callers record for `time`, each its next delivery when the last is durable. `next` is the number of the next one.
pub(crate) async fn call<R, F>(
    callers: usize,
    ids: Ids,
    next: &Arc<AtomicU64>,
    time: Duration,
    record: R,
) -> anyhow::Result<Found>
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
                let mut asked = Instant::now();
                while asked < end {
                    record(delivery(ids, next.fetch_add(1, Ordering::Relaxed))).await?;
                    let answered = Instant::now();
                    micros.record(u64::try_from((answered - asked).as_micros())?)?;
                    asked = answered;
                }
                anyhow::Ok(micros)
            })
        })
        .collect();
    let mut micros = Histogram::new(3)?;
    for caller in calling {
        micros.add(caller.await??)?;
    }
    Ok(Found { rate: micros.len() as f64 / begun.elapsed().as_secs_f64(), micros })
}
