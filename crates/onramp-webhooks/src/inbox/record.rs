//! The result of recording: new, a duplicate or a conflict.

use super::DeliveryId;

/// The result of recording a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorded {
    /// The first delivery with its key.
    New(DeliveryId),
    /// A duplicate of the first delivery with its key.
    Duplicate {
        /// The first delivery with the key.
        first: DeliveryId,
        /// `true` if the first delivery is due again because of the duplicate: it was retrying, or its attempts were used up.
        requeued: bool,
    },
    /// A delivery with a known key and another fingerprint. It is kept in addition to the first, and is not handled.
    Conflict {
        /// The first delivery with the key.
        first: DeliveryId,
        /// The delivery that was kept with this body.
        kept: DeliveryId,
    },
    /// Recorded in a [spill](crate::spill). The primary inbox decides about it later.
    Spilled,
}

/// Returns the note that every store attaches to a conflict.
#[must_use]
pub fn conflict_note(first: DeliveryId) -> String {
    format!("contradicts the earlier delivery {first}")
}
