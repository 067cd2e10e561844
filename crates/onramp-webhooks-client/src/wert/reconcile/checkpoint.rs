//! Where a pass stands, to be written down.

use onramp_webhooks::inbox::DeliveryId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Position, Summary, Window};

/// Where a pass stands, and what it found before. Can be written down, with serde, for another process to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The endpoint whose deliveries are compared.
    pub endpoint: String,
    /// The time that is looked at.
    pub window: Window,
    /// Whether what is missing is repaired.
    pub repair: bool,
    /// What is to be done next.
    pub stage: Stage,
    /// What was seen and found before.
    pub summary: Summary,
}

/// What a pass does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// Look Wert's orders up in the inbox, the oldest first, from this page on.
    Orders(Position),
    /// Look the inbox's completed orders up at Wert, the newest first, from this delivery's number down.
    Deliveries(Option<i64>),
    /// Nothing.
    Done,
}

impl Stage {
    pub(super) fn deliveries(before: Option<DeliveryId>) -> Self {
        Self::Deliveries(before.map(DeliveryId::as_i64))
    }
}

/// As text.
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
