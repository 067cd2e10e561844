//! Recording: the last step of receiving.

use tokio::time::Instant;

use crate::delivery::read::Read;
use crate::inbox::{Inbox, Recorded};
use crate::reply::Outcome;

/// Records a delivery within the deadline. Returns the outcome for the sender, and the result of the inbox.
///
/// If the deadline is missed, the delivery may still be recorded. The sender gets no acknowledgement and sends it again, which is
/// then a duplicate.
pub(super) async fn record(inbox: &dyn Inbox, read: Read, deadline: Instant) -> (Outcome, Option<Recorded>) {
    let unreadable = read.delivery.quarantine.as_ref().map(|quarantine| quarantine.reason.clone());
    let recorded = match tokio::time::timeout_at(deadline, inbox.record(read.delivery)).await {
        Ok(Ok(recorded)) => recorded,
        Ok(Err(error)) => {
            tracing::error!(%error, "not recorded and not acknowledged");
            return (Outcome::NotRecorded, None);
        }
        Err(_) => {
            tracing::error!("no durable write within the ack deadline; not acknowledged");
            return (Outcome::NotRecorded, None);
        }
    };
    let outcome = match unreadable {
        Some(reason) => {
            if read.unreadable_purchase {
                tracing::error!(
                    ?recorded,
                    reason,
                    "a purchase is in quarantine, because its body cannot be read: a version that can read it handles it"
                );
            } else {
                tracing::warn!(?recorded, reason, "recorded in quarantine");
            }
            if read.cut { Outcome::TooLarge } else { Outcome::Unreadable(reason) }
        }
        None => outcome(recorded, read.label),
    };
    (outcome, Some(recorded))
}

fn outcome(recorded: Recorded, label: &'static str) -> Outcome {
    match recorded {
        Recorded::New(id) => {
            tracing::debug!(%id, "type" = label, "recorded");
            Outcome::New
        }
        Recorded::Duplicate { first, requeued } => {
            tracing::debug!(%first, requeued, "duplicate");
            Outcome::Duplicate
        }
        Recorded::Conflict { first, kept } => {
            tracing::error!(%first, %kept, "conflict: a known event arrived with another body; it is kept and not handled");
            Outcome::Conflict
        }
        Recorded::Spilled => Outcome::Spilled,
    }
}
