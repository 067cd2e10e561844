//! The serializable state of a run.

use onramp_webhooks::inbox::DeliveryId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
