//! Restoring deliveries of another inbox, with their states.

use super::{DeadCause, DeliveryId, Record, State};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};

/// The result of restoring a delivery; see [`Inbox::restore`](super::Inbox::restore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restored {
    /// The delivery was added.
    New(DeliveryId),
    /// A delivery with the same key and fingerprint exists. It was left as it is.
    Known(DeliveryId),
    /// A delivery with the same key and another fingerprint exists. It was left as it is.
    Conflict(DeliveryId),
}

impl Restored {
    /// Returns the result for a delivery whose key is held by another.
    #[must_use]
    pub fn beside(restored: &Record, id: DeliveryId, fingerprint: &crate::fingerprint::Fingerprint) -> Self {
        if restored.fingerprint == *fingerprint { Self::Known(id) } else { Self::Conflict(id) }
    }
}

/// Returns a delivery as a store adds it, so that every store restores it in the same way:
///
/// - A leased delivery becomes pending, and a retrying or parked one without a time is due at once.
/// - A handled or dead delivery without a time was settled when it arrived. A dead letter with a cause that this version does not know gets
///   one that no duplicate requeues.
/// - Only a delivery that [can be](State::can_be_resolved) resolved keeps its resolution.
///
/// # Errors
/// Returns [`Refused`](StoreErrorKind::Refused) if this version does not know the state, or if the delivery waits and has no body.
pub fn restorable(mut record: Record) -> Result<Record, StoreError> {
    let refused = |why: &'static str| Err(StoreError::new(StoreErrorKind::Refused, "restore").because(why));
    record.state = match record.state {
        State::Unknown => return refused("this version does not know its state"),
        State::Leased => State::Pending,
        state => state,
    };
    if record.state.waits() && record.body.is_none() {
        return refused("it waits to be handled, and has no body");
    }
    let due_at = record.due_at.unwrap_or_default().max(Timestamp::from_millis(1));
    record.due_at = matches!(record.state, State::Retrying | State::Parked).then_some(due_at);
    let settled_at = record.settled_at.unwrap_or(record.received_at);
    record.settled_at = matches!(record.state, State::Handled | State::Dead).then_some(settled_at);
    record.cause = (record.state == State::Dead).then_some(record.cause.unwrap_or(DeadCause::TransactionEnded));
    let resolved_at = record.resolved_at.filter(|_| record.state.can_be_resolved());
    record.resolved_at = resolved_at.map(|at| Some(at).max(record.settled_at).unwrap_or(at));
    record.resolution = record.resolution.filter(|_| resolved_at.is_some());
    Ok(record)
}
