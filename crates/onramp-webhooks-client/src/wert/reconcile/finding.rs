//! What a reconciliation finds.

use std::fmt;

use onramp_webhooks::event::OrderId;
use serde::{Deserialize, Serialize};

/// What is not the same at Wert and in the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The order is complete, and its event was not there. Now a delivery is that was made of what Wert says.
    Repaired {
        /// The order.
        order: OrderId,
    },
    /// The order is complete, and its event was never received.
    Missing {
        /// The order.
        order: OrderId,
    },
    /// The same, and it cannot be repaired.
    Unrepairable {
        /// The order.
        order: OrderId,
        /// Why not.
        why: String,
    },
    /// The event of its completion was received, and Wert says that the order stands elsewhere: forged, or taken back.
    StatusDiffers {
        /// The order.
        order: OrderId,
        /// Wert's word for where it stands.
        status: String,
    },
    /// Wert has a word for where the order stands that this crate does not know, or none.
    Unclear {
        /// The order.
        order: OrderId,
        /// Wert's word for where it stands.
        status: Option<String>,
    },
    /// The event of its completion was received, and Wert does not know the order: forged, or from another account.
    UnknownToProvider {
        /// The order's id in the event.
        order: OrderId,
    },
}

impl Finding {
    /// The order.
    #[must_use]
    pub const fn order(&self) -> &OrderId {
        match self {
            Self::Repaired { order }
            | Self::Missing { order }
            | Self::Unrepairable { order, .. }
            | Self::StatusDiffers { order, .. }
            | Self::Unclear { order, .. }
            | Self::UnknownToProvider { order } => order,
        }
    }

    /// Whether a person has something to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Repaired { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.order().as_str())?;
        match self {
            Self::Repaired { .. } => f.write_str("complete at Wert and not received; now there is a delivery of what Wert says"),
            Self::Missing { .. } => f.write_str("complete at Wert and not received"),
            Self::Unrepairable { why, .. } => write!(f, "complete at Wert, not received, and not to be repaired: {why}"),
            Self::StatusDiffers { status, .. } => write!(f, "received as complete, and Wert says {status:?}"),
            Self::Unclear { status: Some(status), .. } => {
                write!(f, "Wert says {status:?}, and nobody here knows what that means")
            }
            Self::Unclear { status: None, .. } => f.write_str("Wert does not say where it stands"),
            Self::UnknownToProvider { .. } => f.write_str("received as complete, and Wert does not know it"),
        }
    }
}
