//! A difference that a reconciliation finds.

use std::fmt;

use onramp_webhooks::event::OrderId;
use serde::{Deserialize, Serialize};

/// A difference between Wert and the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// The order is complete, and its event was missing or was refused by a check. A synthetic delivery was recorded.
    Repaired {
        /// The order.
        order: OrderId,
    },
    /// The order is complete and its event is missing. Repairs are disabled.
    Missing {
        /// The order.
        order: OrderId,
    },
    /// The order is complete, its event is missing, and it is not repaired.
    Unrepairable {
        /// The order.
        order: OrderId,
        /// The reason.
        reason: String,
    },
    /// The order is complete and its event was received, but was not handled and waits for no worker: an operator has to look at it.
    NotHandled {
        /// The order.
        order: OrderId,
        /// The state of its delivery: `dead`, `quarantined`, `conflict` or `unknown`.
        state: String,
    },
    /// The order is complete, but its event was received with other values than Wert has now, and was handled or waits to be.
    Differs {
        /// The order.
        order: OrderId,
        /// The [differences](crate::wert::Difference), without personal data.
        differences: Vec<String>,
    },
    /// The completion event was received, but the order has another status at Wert: the event is forged, or the order was reverted.
    StatusDiffers {
        /// The order.
        order: OrderId,
        /// The status at Wert.
        status: String,
    },
    /// The order's status at Wert is missing or unknown to this crate, or Wert fails to answer about the order.
    Unclear {
        /// The order.
        order: OrderId,
        /// The reason.
        reason: String,
    },
    /// The completion event was received, but Wert does not know the order: the event is forged, or belongs to another account.
    UnknownToProvider {
        /// The order id in the event.
        order: OrderId,
    },
}

impl Finding {
    /// Returns the id of the order.
    #[must_use]
    pub const fn order(&self) -> &OrderId {
        match self {
            Self::Repaired { order }
            | Self::Missing { order }
            | Self::Unrepairable { order, .. }
            | Self::NotHandled { order, .. }
            | Self::Differs { order, .. }
            | Self::StatusDiffers { order, .. }
            | Self::Unclear { order, .. }
            | Self::UnknownToProvider { order } => order,
        }
    }

    /// Returns `true` unless the finding was repaired. An operator has to look at it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Repaired { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.order().as_str())?;
        match self {
            Self::Repaired { .. } => {
                f.write_str("complete at Wert and not received, or refused by a check; repaired with a synthetic delivery")
            }
            Self::Missing { .. } => f.write_str("complete at Wert and not received"),
            Self::Unrepairable { reason, .. } => write!(f, "complete at Wert and not received; not repaired: {reason}"),
            Self::NotHandled { state, .. } => {
                write!(f, "complete at Wert and received, but not handled: it is in the state {state:?}")
            }
            Self::Differs { differences, .. } => {
                write!(f, "received with other values than Wert has: {}", differences.join("; "))
            }
            Self::StatusDiffers { status, .. } => write!(f, "received as complete, but has the status {status:?} at Wert"),
            Self::Unclear { reason, .. } => f.write_str(reason),
            Self::UnknownToProvider { .. } => f.write_str("received as complete, but unknown to Wert"),
        }
    }
}
