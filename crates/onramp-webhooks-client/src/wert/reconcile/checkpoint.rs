//! The serializable state of a run.

use onramp_webhooks::inbox::DeliveryId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::slice::Slice;
use super::{Position, Summary, Window};

/// The state of a [`ReconcileRun`](super::ReconcileRun), which another process can resume. Serializable with serde.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The endpoint whose deliveries are compared.
    pub endpoint: String,
    /// The time span that is compared.
    pub window: Window,
    /// `true` if missing orders are repaired.
    pub repair: bool,
    /// The next phase.
    pub phase: Phase,
    /// The results so far.
    pub summary: Summary,
    /// The part of the window that is walked.
    pub(super) slice: Slice,
    /// The time from which on missing orders are repaired, in milliseconds since 1970, once it is known.
    pub(super) beginning: Option<i64>,
    /// Deliveries up to this one are left out.
    pub(super) deliveries_after: Option<i64>,
    /// The newest delivery that no delivery after the window precedes.
    pub(super) deliveries_until: Option<i64>,
}

/// A phase of a [`ReconcileRun`](super::ReconcileRun).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Wert's orders are looked up in the inbox, the oldest first, from this page on.
    Orders(Position),
    /// The inbox's completed orders are looked up at Wert, the newest first, before this delivery id.
    Deliveries(Option<i64>),
    /// The run is finished.
    Done,
}

impl Phase {
    pub(super) fn deliveries(before: Option<DeliveryId>) -> Self {
        Self::Deliveries(before.map(DeliveryId::as_i64))
    }
}

/// Serialized as text.
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
