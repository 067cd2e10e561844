//! Started purchases, and their differences from completed ones.

use std::fmt;

use super::PurchaseFields;
use crate::clock::Timestamp;
use crate::event::{Amount, CompletedPurchase, Currency, CustomerReference, OrderId, WalletAddress};

/// A purchase that the shop started. Fields that the customer chooses are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purchase {
    /// The id that the event of the completed purchase will carry, in lower case, because ids are compared ignoring case.
    pub id: OrderId,
    /// The crypto to buy.
    pub asset_type: Option<Currency>,
    /// The network. For operators; not compared, because Kriptomat does not promise to report it.
    pub network: Option<String>,
    /// The wallet that receives the crypto.
    pub to_address: Option<WalletAddress>,
    /// The amount to pay.
    pub fiat_amount: Option<Amount>,
    /// The currency to pay in. `None` if the shop did not state one.
    pub fiat_currency: Option<Currency>,
    /// The amount to buy.
    pub crypto_amount: Option<Amount>,
    /// The fields that the shop passed to the widget.
    pub additional_fields: PurchaseFields,
    /// The time at which the purchase was started.
    pub started_at: Timestamp,
}

/// A difference between a completed purchase and the started one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PurchaseDifference {
    /// The crypto differs.
    Asset,
    /// The wallet differs.
    Address,
    /// The paid amount differs.
    FiatAmount,
    /// The currency of the paid amount differs.
    FiatCurrency,
    /// The bought amount differs.
    CryptoAmount,
    /// A field that the shop passed to the widget differs or is missing, or there is a customer although the shop passed none.
    AdditionalField,
}

impl Purchase {
    /// Creates a purchase whose fields are all chosen by the customer.
    #[must_use]
    pub fn new(id: impl AsRef<str>, started_at: Timestamp) -> Self {
        Self {
            id: id.as_ref().to_ascii_lowercase().into(),
            asset_type: None,
            network: None,
            to_address: None,
            fiat_amount: None,
            fiat_currency: None,
            crypto_amount: None,
            additional_fields: PurchaseFields::default(),
            started_at,
        }
    }

    /// Sets the crypto.
    #[must_use]
    pub fn asset_type(mut self, code: impl Into<Currency>) -> Self {
        self.asset_type = Some(code.into());
        self
    }

    /// Sets the network.
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Sets the wallet.
    #[must_use]
    pub fn to_address(mut self, address: impl Into<WalletAddress>) -> Self {
        self.to_address = Some(address.into());
        self
    }

    /// Sets the amount to pay.
    #[must_use]
    pub fn fiat_amount(mut self, amount: Amount) -> Self {
        self.fiat_amount = Some(amount);
        self
    }

    /// Sets the currency to pay in. If the provider's events do not name the currency, the purchase is paid in this one whatever is stated
    /// for its [endpoint](crate::Endpoint::fiat_currency), then or later.
    #[must_use]
    pub fn fiat_currency(mut self, code: impl Into<Currency>) -> Self {
        self.fiat_currency = Some(code.into());
        self
    }

    /// Sets the amount to buy.
    #[must_use]
    pub fn crypto_amount(mut self, amount: Amount) -> Self {
        self.crypto_amount = Some(amount);
        self
    }

    /// Adds a field that the shop passed to the widget. The field `0` is the
    /// [customer](crate::event::CustomerReference::primary).
    #[must_use]
    pub fn additional_field(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.additional_fields.extend([(key, value)]);
        self
    }

    /// Returns whether `other` has the same values, except for the time.
    #[must_use]
    pub fn is_same_request(&self, other: &Self) -> bool {
        *self == Self { started_at: self.started_at, ..other.clone() }
    }

    /// Returns the differences between `completed` and this purchase. Fields that the customer chooses are not compared.
    ///
    /// Assets and currencies are compared ignoring case, and so are addresses that begin with `0x`, where the case of the digits is only a
    /// checksum. In other addresses, case is significant (base58) or lower by convention (bech32), so they have to be equal.
    /// Amounts are compared by value, additional fields as text. The event may have more fields, but no customer unless the shop passed
    /// one.
    #[must_use]
    pub fn differences(&self, completed: &CompletedPurchase) -> Vec<PurchaseDifference> {
        let (crypto, fiat, address) = (&completed.crypto, &completed.fiat, completed.address.as_ref());
        let same_asset = |started: &Currency| started.same_as(crypto.currency.as_str());
        let same_wallet = |started: &WalletAddress| address.is_some_and(|paid| same_address(started.as_str(), paid.as_str()));
        let same_currency = |started: &Currency| started.same_as(fiat.currency.as_str());
        let differs = [
            (PurchaseDifference::Asset, self.asset_type.as_ref().is_some_and(|started| !same_asset(started))),
            (PurchaseDifference::Address, self.to_address.as_ref().is_some_and(|started| !same_wallet(started))),
            (PurchaseDifference::FiatAmount, self.fiat_amount.as_ref().is_some_and(|started| *started != fiat.amount)),
            (PurchaseDifference::FiatCurrency, self.fiat_currency.as_ref().is_some_and(|started| !same_currency(started))),
            (PurchaseDifference::CryptoAmount, self.crypto_amount.as_ref().is_some_and(|started| *started != crypto.amount)),
            (PurchaseDifference::AdditionalField, !self.is_for(&completed.customer)),
        ];
        differs.into_iter().filter_map(|(difference, differs)| differs.then_some(difference)).collect()
    }
}

impl Purchase {
    fn is_for(&self, customer: &CustomerReference) -> bool {
        customer.primary() == self.additional_fields.get("0").filter(|value| !value.is_empty())
            && self.additional_fields.iter().all(|(key, value)| customer.get(key).unwrap_or_default() == value)
    }
}

fn same_address(a: &str, b: &str) -> bool {
    a == b || (a.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x")) && a.eq_ignore_ascii_case(b))
}

/// Names the difference without any address or amount.
impl fmt::Display for PurchaseDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Asset => "another asset",
            Self::Address => "another address",
            Self::FiatAmount => "another amount paid",
            Self::FiatCurrency => "another currency paid",
            Self::CryptoAmount => "another amount bought",
            Self::AdditionalField => "another additional field",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::Money;

    fn completed(asset: &str, address: &str) -> CompletedPurchase {
        let money = |amount: &str, code: &str| Money::new(amount.parse().unwrap(), code.into());
        let purchase = CompletedPurchase::new(CustomerReference::default(), money("9.10", "EUR"), money("0.5", asset));
        CompletedPurchase { address: Some(address.into()), ..purchase }
    }

    fn started() -> Purchase {
        Purchase::new("U", Timestamp::default())
    }

    #[test]
    fn fields_chosen_by_the_customer_are_not_compared() {
        assert_eq!(started().network("base").differences(&completed("eth", "0xAb")), []);
    }

    #[test]
    fn case_is_ignored_in_assets_and_hexadecimal_addresses_only() {
        use PurchaseDifference::{Address, Asset};
        for (started, paid, differences) in [
            (("ETH", "0xaB"), ("eth", "0xAb"), vec![]),
            (("eth", "0XAB"), ("eth", "0xab"), vec![]),
            (("eth", "0xab"), ("eth", "0xac"), vec![Address]),
            (("eth", "0xab"), ("eth", "ab"), vec![Address]),
            (("btc", "1DJ4N7"), ("btc", "1dj4n7"), vec![Address]),
            (("btc", "ß"), ("btc", "ß"), vec![]),
            (("btc", "x"), ("btcx", "x"), vec![Asset]),
            (("btc", "x"), ("", ""), vec![Asset, Address]),
        ] {
            let purchase = self::started().asset_type(started.0).to_address(started.1);
            assert_eq!(purchase.differences(&completed(paid.0, paid.1)), differences, "{started:?} {paid:?}");
        }
    }

    #[test]
    fn amounts_are_compared_by_their_value() {
        use PurchaseDifference::{CryptoAmount, FiatAmount};
        let amounts = |fiat: &str, crypto: &str| {
            let started = started().fiat_amount(fiat.parse().unwrap()).crypto_amount(crypto.parse().unwrap());
            started.differences(&completed("eth", "0x1"))
        };
        assert_eq!(amounts("9.1", "0.50"), []);
        assert_eq!(amounts("9.11", "0.500000000000000001"), [FiatAmount, CryptoAmount]);
    }

    #[test]
    fn a_stated_currency_is_compared() {
        let completed = completed("eth", "0x1");
        assert_eq!(started().fiat_currency("eur").differences(&completed), []);
        assert_eq!(started().fiat_currency("GBP").differences(&completed), [PurchaseDifference::FiatCurrency]);
    }

    #[test]
    fn additional_fields_are_what_was_passed() {
        use PurchaseDifference::AdditionalField;
        let paid = |fields: &[(&str, &str)]| {
            let fields: BTreeMap<_, _> = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let customer = CustomerReference::new(fields.get("0").cloned(), fields);
            CompletedPurchase { customer, ..completed("eth", "0x1") }
        };
        let passed = started().additional_field("0", "ada").additional_field("campaign", "spring");
        for (purchase, fields, differs) in [
            (passed.clone(), &[("0", "ada"), ("campaign", "spring"), ("more", "1")][..], false),
            (passed.clone(), &[("0", "eve"), ("campaign", "spring")], true),
            (passed.clone(), &[("0", "ada"), ("campaign", "")], true),
            (passed, &[("0", "ada")], true),
            (started(), &[("more", "1")], false),
            (started(), &[("0", "eve")], true),
            (started().additional_field("0", ""), &[], false),
        ] {
            assert_eq!(purchase.differences(&paid(fields)) == [AdditionalField], differs, "{fields:?}");
        }
    }

    #[test]
    fn ids_are_compared_ignoring_case() {
        assert!(started().is_same_request(&Purchase::new("u", Timestamp::from_millis(7))));
        assert!(!started().is_same_request(&started().network("base")));
    }
}
