//! Moving deliveries into the primary inbox.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::SpillId;
use super::failing::Chain;
use crate::error::StoreError;
use crate::inbox::{Inbox, Recorded};
use crate::telemetry;
use crate::timeout::within;

/// Time limit for a delivery that no request waits for.
const UNHURRIED: Duration = Duration::from_secs(10);

/// The result of moving a delivery.
pub(super) struct Moved {
    pub(super) id: SpillId,
    pub(super) result: Result<(), StoreError>,
    pub(super) took: Duration,
}

/// Records all chains concurrently, each up to the first delivery that fails. Does not wait beyond `deadline`.
pub(super) async fn record(primary: &dyn Inbox, chains: Vec<Chain>, deadline: Option<Instant>) -> Vec<Moved> {
    let recording = chains.into_iter().map(async |chain| {
        let mut moved = Vec::new();
        for (id, delivery) in chain {
            let begun = Instant::now();
            let limit = deadline.map_or(UNHURRIED, |deadline| deadline.saturating_duration_since(begun));
            let recorded = within(limit, "record in the primary inbox", primary.record(delivery)).await;
            let result = recorded.map(|recorded| report(id, recorded));
            let failed = result.is_err();
            moved.push(Moved { id, result, took: begun.elapsed() });
            if failed {
                break;
            }
        }
        moved
    });
    join_all(recording).await.into_iter().flatten().collect()
}

/// Logs and counts the result in the same way as the receiver.
fn report(id: SpillId, recorded: Recorded) {
    let outcome = match recorded {
        Recorded::New(moved) => {
            tracing::debug!(%id, %moved, "moved to the primary inbox");
            "new"
        }
        Recorded::Duplicate { first, requeued } => {
            tracing::debug!(%id, %first, requeued, "moved to the primary inbox: duplicate");
            "duplicate"
        }
        Recorded::Conflict { first, kept } => {
            tracing::error!(%id, %first, %kept, "conflict: a known event arrived with another body; it is kept and not handled");
            "conflict"
        }
        Recorded::Spilled => "spilled",
    };
    telemetry::moved(outcome);
}
