//! What an application wants to know of a completed purchase, whichever provider it came from.

use std::collections::BTreeMap;
use std::fmt;

use super::{Amount, Currency, OrderId, TransactionId, WalletAddress};

/// A purchase that the provider calls complete: the customer has paid and the crypto was sent.
///
/// ```
/// use onramp_webhooks::event::{Event, Provider};
///
/// let body = include_bytes!("../../fixtures/wert/order_complete.json");
/// let purchase = Event::decode(Provider::Wert, body)?.completed_purchase()?.unwrap();
/// assert_eq!(
///     format!("{} paid {} for {}", purchase.customer, purchase.fiat, purchase.crypto),
///     "shop-20418 paid 250.00 USD for 0.00391274 BTC",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedPurchase {
    /// Whose purchase it is, in your own words.
    pub customer: CustomerReference,
    /// What the customer bought.
    pub crypto: Money,
    /// What the customer paid.
    pub fiat: Money,
    /// The wallet or contract that received the crypto.
    pub address: Option<WalletAddress>,
    /// The transaction on the blockchain, if the provider told it. Kriptomat never does.
    pub transaction: Option<TransactionId>,
    /// The provider's own name for the purchase: Wert's order id, or Kriptomat's `uuid`.
    pub order: Option<OrderId>,
}

/// An amount and its currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// `amount` of `currency`.
    #[must_use]
    pub const fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

/// What you gave the widget to know the customer again: Wert's `click_id`, Kriptomat's additional fields.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CustomerReference {
    primary: Option<String>,
    fields: BTreeMap<String, String>,
}

impl CustomerReference {
    pub(crate) fn new(primary: Option<String>, fields: BTreeMap<String, String>) -> Self {
        Self { primary: primary.filter(|primary| !primary.is_empty()), fields }
    }

    /// Wert: the `click_id`. Kriptomat: the additional field `0`. `None` if it is missing or empty.
    #[must_use]
    pub fn primary(&self) -> Option<&str> {
        self.primary.as_deref()
    }

    /// Kriptomat: the additional field called `key`, if it is a string or a number. Wert has none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(String::as_str)
    }
}

/// Leaves the references out: they name a person.
impl fmt::Debug for CustomerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerReference(hidden)")
    }
}

/// The primary reference, or `-`.
impl fmt::Display for CustomerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.primary().unwrap_or("-"))
    }
}

/// A completed purchase of which nobody can tell what was paid and what was bought.
///
/// Wert's documentation shows the fiat currency now as `quote` and now as `base`, so the codes have to tell. If both sides are
/// national currencies (Mantle's `MNT` is also the Mongolian tögrög), or neither is, guessing could credit a customer with the
/// wrong amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot tell what was paid from what was bought: base is {base:?}, quote is {quote:?}")]
#[non_exhaustive]
pub struct UnclearPurchase {
    /// The code in the order's `base`.
    pub base: Currency,
    /// The code in the order's `quote`.
    pub quote: Currency,
}

/// Tells fiat from crypto: `Ok((fiat, crypto))` if exactly one of the two is a national currency.
pub(crate) fn fiat_and_crypto(base: Money, quote: Money) -> Result<(Money, Money), UnclearPurchase> {
    match (base.currency.is_fiat(), quote.currency.is_fiat()) {
        (true, false) => Ok((base, quote)),
        (false, true) => Ok((quote, base)),
        _ => Err(UnclearPurchase { base: base.currency, quote: quote.currency }),
    }
}
