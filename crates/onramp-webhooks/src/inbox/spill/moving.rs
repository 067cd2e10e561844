//! Deliveries on their way into the first inbox.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::SpillId;
use super::failing::Chain;
use crate::inbox::{Inbox, Recorded};
use crate::patience::within;
use crate::store_error::StoreError;
use crate::telemetry;

/// How long the first inbox may take for a delivery that nobody waits for.
const UNHURRIED: Duration = Duration::from_secs(10);

/// What the first inbox said to a delivery, and after how long.
pub(super) struct Said {
    pub(super) id: SpillId,
    pub(super) result: Result<(), StoreError>,
    pub(super) took: Duration,
}

/// Records all chains at the same time, each up to its first delivery that fails. After `deadline` nothing is waited for.
pub(super) async fn record(first: &dyn Inbox, chains: Vec<Chain>, deadline: Option<Instant>) -> Vec<Said> {
    let recording = chains.into_iter().map(async |chain| {
        let mut said = Vec::new();
        for (id, delivery) in chain {
            let begun = Instant::now();
            let limit = deadline.map_or(UNHURRIED, |deadline| deadline.saturating_duration_since(begun));
            let recorded = within(limit, "record in the first inbox", first.record(delivery)).await;
            let result = recorded.map(|recorded| tell(id, recorded));
            let failed = result.is_err();
            said.push(Said { id, result, took: begun.elapsed() });
            if failed {
                break;
            }
        }
        said
    });
    join_all(recording).await.into_iter().flatten().collect()
}

/// Says what became of a delivery, as the receiver would have.
fn tell(id: SpillId, recorded: Recorded) {
    let outcome = match recorded {
        Recorded::New(moved) => {
            tracing::debug!(%id, %moved, "moved to the first inbox");
            "new"
        }
        Recorded::Duplicate { first, rearmed } => {
            tracing::debug!(%id, %first, rearmed, "moved to the first inbox: duplicate");
            "duplicate"
        }
        Recorded::Conflict { first, kept } => {
            tracing::error!(%id, %first, %kept, "conflict: the event of an earlier delivery came with another body; not handled");
            "conflict"
        }
        Recorded::Spilled => "spilled",
    };
    telemetry::moved(outcome);
}
