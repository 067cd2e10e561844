//! The verdict on a purchase.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::event::CompletedPurchase;

use super::codes::CryptoCodes;
use super::difference::differences;
use super::lookup::Lookup;
use super::{Difference, OrderRow};
use crate::error::ClientError;
use crate::wert::OrderStatus;

/// The result of comparing a purchase with the provider's orders.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The provider's order agrees with the purchase. Contains the purchase as [the order has it](OrderRow::confirmed).
    Confirmed(Box<CompletedPurchase>),
    /// The provider's order differs. The list is never empty.
    Contradicted(Vec<Difference>),
    /// The provider's order has no status, or one that is not final. Its other fields are not compared, because they may be missing
    /// or change until then.
    NotFinal(Option<OrderStatus>),
    /// The provider does not know the order, or not yet, or several orders could be the right one.
    Unknown,
    /// The purchase's order id does not have the form of the provider's ids, `[A-Za-z0-9_-]{1,64}`, and was not looked up.
    InvalidOrderId,
    /// A request for this order, alone or with others, failed or had an unusable response, but the provider responds to other
    /// requests.
    OrderUnavailable(Arc<ClientError>),
    /// The provider could not be queried.
    ProviderUnavailable(Arc<ClientError>),
}

impl Verdict {
    /// Returns the verdict on a purchase, given the provider's order or `None` if it has none.
    pub(super) fn of(codes: &CryptoCodes, purchase: &CompletedPurchase, row: Option<&OrderRow>) -> Self {
        let Some(row) = row else { return Self::Unknown };
        if !is_final(row) {
            return Self::NotFinal(row.status.clone());
        }
        let differences = differences(codes, purchase, row);
        if !differences.is_empty() {
            return Self::Contradicted(differences);
        }
        Self::Confirmed(Box::new(row.confirmed(purchase)))
    }

    pub(super) fn of_lookup(codes: &CryptoCodes, purchase: &CompletedPurchase, lookup: Option<&Lookup>) -> Self {
        match lookup {
            Some(Lookup::Found(row)) => Self::of(codes, purchase, Some(row)),
            Some(Lookup::Unknown) | None => Self::Unknown,
            Some(Lookup::OrderFailed(error)) => Self::OrderUnavailable(Arc::clone(error)),
            Some(Lookup::ProviderFailed(error)) => Self::ProviderUnavailable(Arc::clone(error)),
        }
    }

    /// Returns the verdict on a purchase without an order id, given all orders that could be the right one.
    pub(super) fn of_candidates(codes: &CryptoCodes, purchase: &CompletedPurchase, rows: &[OrderRow]) -> Self {
        let mut equal = rows.iter().filter(|row| is_final(row) && differences(codes, purchase, row).is_empty());
        match (rows, equal.next(), equal.next()) {
            ([only], None, _) => Self::of(codes, purchase, Some(only)),
            (_, Some(row), None) => Self::Confirmed(Box::new(row.confirmed(purchase))),
            _ => Self::Unknown,
        }
    }

    /// Returns `true` if the provider confirmed the purchase.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed(_))
    }

    /// Returns `true` if a later check can result in another verdict: the provider is temporarily unavailable, does not know the
    /// order yet, or has not completed it.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::Confirmed(_) | Self::Contradicted(_) | Self::InvalidOrderId => false,
            Self::NotFinal(_) | Self::Unknown | Self::OrderUnavailable(_) => true,
            Self::ProviderUnavailable(error) => error.is_transient(),
        }
    }
}

fn is_final(row: &OrderRow) -> bool {
    row.status.as_ref().is_some_and(OrderStatus::is_final)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed(_) => f.write_str("confirmed"),
            Self::NotFinal(Some(status)) => write!(f, "not final: the status is {:?}", status.as_str()),
            Self::NotFinal(None) => f.write_str("not final: the status is missing"),
            Self::Unknown => f.write_str("unknown to the provider"),
            Self::InvalidOrderId => f.write_str("the order id does not have the form of the provider's ids"),
            Self::OrderUnavailable(error) => write!(f, "the order cannot be looked up: {error}"),
            Self::ProviderUnavailable(error) => write!(f, "provider unavailable: {error}"),
            Self::Contradicted(differences) => {
                f.write_str("contradicted")?;
                let mut separators = std::iter::once(": ").chain(std::iter::repeat("; "));
                differences.iter().try_for_each(|difference| write!(f, "{}{difference}", separators.next().unwrap_or_default()))
            }
        }
    }
}
