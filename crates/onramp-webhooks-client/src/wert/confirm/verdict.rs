//! What the provider says of a purchase.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::event::CompletedPurchase;

use super::{Difference, OrderRow, differences};
use crate::error::ClientError;

/// What the provider says of a purchase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The same in everything: the event is true.
    Confirmed,
    /// Not the same; never empty.
    Contradicted(Vec<Difference>),
    /// The provider does not know the order, or knows several that could be it. It may not know it *yet*.
    Unknown,
    /// The provider gave no answer of use.
    ProviderAway(Arc<ClientError>),
}

impl Verdict {
    /// The verdict on a purchase, given the provider's row of the same order; `None` if it has none. The row's id is not looked at.
    #[must_use]
    pub fn of(purchase: &CompletedPurchase, row: Option<&OrderRow>) -> Self {
        let Some(row) = row else { return Self::Unknown };
        let differences = differences(purchase, row);
        if differences.is_empty() { Self::Confirmed } else { Self::Contradicted(differences) }
    }

    /// The verdict on a purchase without an order id, given all rows that it could be.
    pub(super) fn among(purchase: &CompletedPurchase, rows: &[OrderRow]) -> Self {
        let mut alike = rows.iter().filter(|row| differences(purchase, row).is_empty());
        match (rows, alike.next(), alike.next()) {
            ([only], None, _) => Self::of(purchase, Some(only)),
            (_, Some(_), None) => Self::Confirmed,
            _ => Self::Unknown,
        }
    }

    /// Whether the event is true.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed)
    }

    /// Whether asking later can give another verdict: the provider is away for now, does not know the order (yet), or agrees in
    /// everything but that the order has not come to its end.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::Confirmed => false,
            Self::Contradicted(differences) => differences.iter().all(Difference::may_pass),
            Self::Unknown => true,
            Self::ProviderAway(error) => error.is_transient(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::Unknown => f.write_str("unknown to the provider"),
            Self::ProviderAway(error) => write!(f, "not answered: {error}"),
            Self::Contradicted(differences) => {
                f.write_str("contradicted")?;
                let mut separators = std::iter::once(": ").chain(std::iter::repeat("; "));
                differences.iter().try_for_each(|difference| write!(f, "{}{difference}", separators.next().unwrap_or_default()))
            }
        }
    }
}
