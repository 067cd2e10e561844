//! Completed purchases, in one form for all providers.

use std::collections::BTreeMap;
use std::fmt;

use super::{Currency, Money, OrderId, TransactionId, WalletAddress};

/// A purchase that the provider reports as complete: the customer has paid and the crypto was sent.
///
/// ```
/// use onramp_webhooks::WertEvent;
/// use onramp_webhooks::provider::ProviderEvent;
///
/// let event = WertEvent::read(include_bytes!("../../fixtures/wert/order_complete.json"))?;
/// let purchase = event.completed_purchase()?.unwrap();
/// assert_eq!(
///     format!("{} paid {} for {}", purchase.customer_id()?, purchase.fiat, purchase.crypto),
///     "shop-20418 paid 250.00 USD for 0.00391274 BTC",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedPurchase {
    /// The customer reference that the shop passed to the widget.
    pub customer: CustomerReference,
    /// The crypto that was bought.
    pub crypto: Money,
    /// The money that was paid.
    pub fiat: Money,
    /// The wallet or contract that received the crypto.
    pub address: Option<WalletAddress>,
    /// The blockchain transaction, if the provider names it. Kriptomat never does.
    pub transaction: Option<TransactionId>,
    /// The provider's id of the purchase: Wert's order id or Kriptomat's `uuid`.
    pub order: Option<OrderId>,
}

impl CompletedPurchase {
    /// Creates a purchase without address, transaction and order id.
    #[must_use]
    pub const fn new(customer: CustomerReference, fiat: Money, crypto: Money) -> Self {
        Self { customer, crypto, fiat, address: None, transaction: None, order: None }
    }

    /// Exchanges `fiat` and `crypto` if only `crypto` is a national currency.
    pub(crate) fn with_fiat_found(self) -> Result<Self, UnclearPurchase> {
        self.with_fiat(Currency::is_fiat)
    }

    fn with_fiat(self, is_fiat: impl Fn(&Currency) -> bool) -> Result<Self, UnclearPurchase> {
        match (is_fiat(&self.fiat.currency), is_fiat(&self.crypto.currency)) {
            (true, false) => Ok(self),
            (false, true) => Ok(Self { fiat: self.crypto, crypto: self.fiat, ..self }),
            _ => Err(UnclearPurchase(Box::new(self))),
        }
    }

    /// Returns the id of the customer: [`CustomerReference::primary`].
    ///
    /// # Errors
    /// Returns an error if the event names no customer. In a handler, `?` turns this error into a permanent one: the purchase
    /// becomes a dead letter for an operator, because a retry would not find the customer either.
    pub fn customer_id(&self) -> Result<&str, MissingCustomer> {
        self.customer.primary().filter(|id| !id.trim().is_empty()).ok_or(MissingCustomer)
    }
}

/// Error returned for a completed purchase without a customer reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a completed purchase names no customer")]
#[non_exhaustive]
pub struct MissingCustomer;

/// The reference that the shop passed to the widget to recognise its customer: Wert's `click_id` or Kriptomat's additional fields.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CustomerReference {
    primary: Option<String>,
    fields: BTreeMap<String, String>,
}

impl CustomerReference {
    /// Creates a reference from its primary part and its named fields.
    #[must_use]
    pub fn new(primary: Option<String>, fields: BTreeMap<String, String>) -> Self {
        Self { primary: primary.filter(|primary| !primary.is_empty()), fields }
    }

    /// Returns Wert's `click_id` or Kriptomat's additional field `0`; `None` if it is missing or empty.
    #[must_use]
    pub fn primary(&self) -> Option<&str> {
        self.primary.as_deref()
    }

    /// Returns Kriptomat's additional field called `key`, if it is a string or a number. Wert has none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(String::as_str)
    }
}

/// Leaves out the references, which identify a customer.
impl fmt::Debug for CustomerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerReference(hidden)")
    }
}

/// Error returned for a completed purchase whose paid and bought sides cannot be distinguished.
///
/// Wert's documentation shows the fiat currency both as `quote` and as `base`, so the codes decide. If both sides are national
/// currencies (Mantle's `MNT` is also the Mongolian tögrög), or neither is, a guess could credit the wrong amount. In a handler, `?`
/// turns this error into a permanent one.
///
/// A shop that knows in which currencies its customers pay sets them with
/// [`Endpoint::fiat_currency`](crate::Endpoint::fiat_currency); then its workers decide such purchases.
/// [`paid_in`](Self::paid_in) decides one for code that handles events without an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot distinguish the paid side from the bought side: base is {:?}, quote is {:?}; Endpoint::fiat_currency can decide it",
    self.base().currency.as_str(),
    self.quote().currency.as_str()
)]
pub struct UnclearPurchase(Box<CompletedPurchase>);

impl UnclearPurchase {
    /// Returns the order's `base_amount` and `base`.
    #[must_use]
    pub const fn base(&self) -> &Money {
        &self.0.crypto
    }

    /// Returns the order's `quote_amount` and `quote`.
    #[must_use]
    pub const fn quote(&self) -> &Money {
        &self.0.fiat
    }

    /// Returns the purchase if exactly one side is in one of these currencies, ignoring case. That side was paid.
    ///
    /// ```
    /// use onramp_webhooks::WertEvent;
    /// use onramp_webhooks::provider::ProviderEvent;
    ///
    /// let body = br#"{"type":"order_complete","click_id":"shop-20418","order":{
    ///     "base":"MNT","base_amount":"104.2","quote":"USD","quote_amount":"120.00"}}"#;
    /// let unclear = WertEvent::read(body)?.completed_purchase().unwrap_err();
    /// let purchase = unclear.paid_in(&["USD".into(), "EUR".into()])?;
    /// assert_eq!(purchase.fiat.to_string(), "120.00 USD");
    /// assert_eq!(purchase.crypto.to_string(), "104.2 MNT");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the purchase as it was if both sides are, or neither is.
    pub fn paid_in(self, currencies: &[Currency]) -> Result<CompletedPurchase, Self> {
        self.0.with_fiat(|code| currencies.iter().any(|currency| currency.same_as(code.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_without_a_customer_has_no_customer_id() {
        let money = || Money::new("1".parse().unwrap(), "EUR".into());
        for (primary, expected) in [
            (Some("ada"), Ok("ada")),
            (Some(""), Err(MissingCustomer)),
            (Some(" \t"), Err(MissingCustomer)),
            (None, Err(MissingCustomer)),
        ] {
            let customer = CustomerReference::new(primary.map(str::to_owned), BTreeMap::new());
            assert_eq!(CompletedPurchase::new(customer, money(), money()).customer_id(), expected, "{primary:?}");
        }
    }
}
