//! Deliveries on their way into the first inbox.

use std::time::Duration;

use futures_util::future::join_all;

use super::SpillId;
use super::shared::within;
use crate::inbox::{Inbox, NewDelivery, Recorded};
use crate::store_error::StoreError;
use crate::telemetry;

/// Records all of a group at the same time, asked for in their order, and answers what came of each.
pub(super) async fn record(
    first: &dyn Inbox,
    group: Vec<(SpillId, NewDelivery)>,
    limit: Duration,
) -> Vec<(SpillId, NewDelivery, Result<(), StoreError>)> {
    let recording = group.into_iter().map(|(id, delivery)| async move {
        let recorded = within(limit, "record in the first inbox", first.record(delivery.clone())).await;
        (id, delivery, recorded.map(|recorded| tell(id, recorded)))
    });
    join_all(recording).await
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
