//! Amounts with their currency.

use std::fmt;

use super::{Amount, Currency, UnitsError};

/// An amount and its currency.
///
/// # Storing amounts
/// Store the currency together with the amount: a sum over several currencies has no meaning. Store the amount as text or as a
/// decimal type of the database, never as a float; or as a whole number of its smallest unit, with
/// [`to_minor_units`](Self::to_minor_units) for fiat and [`Amount::to_units`] for crypto. Both refuse amounts that the unit cannot
/// hold exactly.
///
/// ```
/// use onramp_webhooks::event::{Money, UnitsError};
///
/// let money = |amount: &str, currency: &str| Money::new(amount.parse().unwrap(), currency.into());
/// assert_eq!(money("12.5", "EUR").to_minor_units(), Ok(1_250));
/// assert_eq!(money("1250", "JPY").to_minor_units(), Ok(1_250));
/// assert_eq!(money("12.345", "EUR").to_minor_units(), Err(UnitsError::Inexact));
/// assert_eq!(money("0.5", "BTC").to_minor_units(), Err(UnitsError::UnknownCurrency));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Money {
    /// The amount.
    pub amount: Amount,
    /// The currency of the amount.
    pub currency: Currency,
}

impl Money {
    /// Creates an amount of money in `currency`.
    #[must_use]
    pub const fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Converts the amount to whole minor units of its national currency (cents), without rounding.
    ///
    /// # Errors
    /// [`UnitsError::UnknownCurrency`] if the currency is not national or has no minor unit, [`UnitsError::Inexact`] if the amount
    /// has a fraction of a minor unit, [`UnitsError::TooLarge`] if the result does not fit.
    pub fn to_minor_units(&self) -> Result<i64, UnitsError> {
        let units = self.amount.to_units(self.currency.decimals().ok_or(UnitsError::UnknownCurrency)?)?;
        i64::try_from(units).map_err(|_| UnitsError::TooLarge)
    }

    /// Returns the money in a form that is the same for every spelling of it.
    pub(crate) fn canonical(&self) -> String {
        format!("{} {}\n", self.amount.canonical(), self.currency.as_str().to_ascii_uppercase())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}
