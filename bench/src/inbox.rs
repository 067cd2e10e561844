//! (b) Durable deliveries per second at the inbox.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use onramp_webhooks::inbox::Inbox;
use onramp_webhooks_sqlite::SqliteInbox;

use crate::Scale;
use crate::callers::call;
use crate::orders::Ids;
use crate::report::{median, print, thousands};
use crate::server::OneCommit;

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sizes: &[usize] = if scale.quick { &[1, 8] } else { &[1, 32, 128, 512] };
    let mut rows = Vec::new();
    for &callers in sizes {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..scale.rounds {
            for (rates, (ids, one_commit)) in
                rates.iter_mut().zip([(Ids::Ordered, true), (Ids::Ordered, false), (Ids::Random, false)])
            {
                rates.push(runtime.block_on(measure(callers, ids, one_commit, scale.time))?);
            }
        }
        let [one, ordered, random] = rates;
        let ratio = median(ordered.iter().zip(&one).map(|(ordered, one)| ordered / one).collect());
        rows.push(vec![
            callers.to_string(),
            thousands(median(one)),
            thousands(median(ordered)),
            format!("{ratio:.1}"),
            thousands(median(random)),
        ]);
    }
    print(
        "(b) Durable deliveries per second at the inbox",
        &["callers", "one commit each", "batched, ordered ids", "ratio", "batched, random ids"],
        rows,
    );
    Ok(())
}

async fn measure(callers: usize, ids: Ids, one_commit: bool, time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let sqlite = SqliteInbox::open(folder.path().join("inbox.db")).await?;
    let inbox: Arc<dyn Inbox> = if one_commit { Arc::new(OneCommit::new(sqlite)) } else { Arc::new(sqlite) };
    let record = move |delivery| {
        let inbox = Arc::clone(&inbox);
        async move { Ok(inbox.record(delivery).await.map(drop)?) }
    };
    Ok(call(callers, ids, &Arc::new(AtomicU64::new(1)), time, record).await?.rate)
}
