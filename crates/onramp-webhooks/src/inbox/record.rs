//! The result of recording: new, a duplicate or a conflict.

use super::DeliveryId;

/// The result of recording a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// The first delivery with its key.
    New(DeliveryId),
    /// A duplicate, counted on the first delivery with its key.
    Duplicate {
        /// The first delivery with the key.
        first: DeliveryId,
        /// `true` if the first was waiting for a retry or dead, and is due again because of the duplicate.
        requeued: bool,
    },
    /// A known key with another fingerprint, kept beside the first and not handled.
    Conflict {
        /// The first delivery with the key.
        first: DeliveryId,
        /// The delivery that holds this body.
        kept: DeliveryId,
    },
    /// Kept in a [spill](crate::spill) until the primary inbox is back and decides.
    Spilled,
}

/// Returns the note that every store writes on a conflict.
#[must_use]
pub fn conflict_note(first: DeliveryId) -> String {
    format!("contradicts the earlier delivery {first}")
}
