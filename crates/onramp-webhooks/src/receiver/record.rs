//! Step four: into the inbox, before the deadline.

use tokio::time::Instant;

use super::read::Read;
use crate::inbox::{Inbox, Recorded};
use crate::reply::Outcome;

/// Records what was read, and says what the sender is to be told.
///
/// After a deadline the delivery may still reach the disk; the sender, who has no acknowledgement, sends it again, and then it
/// is a duplicate.
pub(super) async fn record(inbox: &dyn Inbox, read: Read, deadline: Instant) -> Outcome {
    let unreadable = read.delivery.quarantine.as_ref().map(|quarantine| quarantine.reason.clone());
    let recorded = match tokio::time::timeout_at(deadline, inbox.record(read.delivery)).await {
        Ok(Ok(recorded)) => recorded,
        Ok(Err(error)) => {
            tracing::error!(%error, "not recorded, and not acknowledged");
            return Outcome::NotRecorded;
        }
        Err(_) => {
            tracing::error!("no durable write within the ack deadline; not acknowledged");
            return Outcome::NotRecorded;
        }
    };
    match unreadable {
        Some(reason) => {
            tracing::warn!(?recorded, reason, "kept in quarantine");
            if read.cut { Outcome::TooLarge } else { Outcome::Unreadable(reason) }
        }
        None => match recorded {
            Recorded::New(_) => Outcome::New,
            Recorded::Duplicate { first, rearmed } => {
                tracing::debug!(%first, rearmed, "duplicate");
                Outcome::Duplicate
            }
            Recorded::Conflict { first, kept } => {
                tracing::error!(%first, %kept, "conflict: the event of an earlier delivery came with another body; not handled");
                Outcome::Conflict
            }
            Recorded::Spilled => Outcome::Spilled,
        },
    }
}
