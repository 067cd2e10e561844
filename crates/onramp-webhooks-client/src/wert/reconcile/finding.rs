//! What a reconciliation finds.

use std::collections::BTreeMap;
use std::fmt;

use onramp_webhooks::event::OrderId;

use super::{OrderRow, Received};

/// What is not the same at Wert and in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The order came to its end, and no event about any end was received, or only events without the order's id.
    Missing {
        /// What Wert says.
        row: OrderRow,
    },
    /// Events were received about an end that Wert does not tell of, or about a success that Wert does not know.
    StatusDiffers {
        /// What Wert says.
        row: OrderRow,
        /// What was received.
        received: Received,
    },
    /// Wert has a word for where the order stands that this crate does not know, or none.
    Unclear {
        /// What Wert says.
        row: OrderRow,
    },
    /// Events were received about an order that Wert does not know: forged, or from another account.
    UnknownToProvider {
        /// The order's id in the events.
        order: OrderId,
    },
}

impl Finding {
    /// The order.
    #[must_use]
    pub const fn order(&self) -> &OrderId {
        match self {
            Self::Missing { row } | Self::StatusDiffers { row, .. } | Self::Unclear { row } => &row.order_id,
            Self::UnknownToProvider { order } => order,
        }
    }

    /// The orders among `received` that are not in what [`find_orders`](super::super::WertDataApi::find_orders) found of them: the
    /// other direction, for orders that only events tell of.
    #[must_use]
    pub fn unknown_among(received: &[OrderId], found: &BTreeMap<OrderId, OrderRow>) -> Vec<Self> {
        let unknown = received.iter().filter(|order| !found.contains_key(order));
        unknown.map(|order| Self::UnknownToProvider { order: order.clone() }).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = |row: &OrderRow| {
            row.status.as_ref().map_or_else(|| "no status".to_owned(), |status| format!("{:?}", status.as_str()))
        };
        write!(f, "{:?}: ", self.order().as_str())?;
        match self {
            Self::Missing { row } => write!(f, "Wert says {}, and no such event was received", status(row)),
            Self::StatusDiffers { row, received } => write!(f, "Wert says {}, the events say {received}", status(row)),
            Self::Unclear { row } => write!(f, "Wert says {}, and nobody here knows what that means", status(row)),
            Self::UnknownToProvider { .. } => f.write_str("Wert does not know the order that events are about"),
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = [(self.complete, "complete"), (self.failed, "failed"), (self.canceled, "canceled")];
        let ends: Vec<_> = ends.iter().filter(|(has, _)| *has).map(|(_, end)| *end).collect();
        f.write_str(if ends.is_empty() { "nothing" } else { "" })?;
        f.write_str(&ends.join(" and "))
    }
}
