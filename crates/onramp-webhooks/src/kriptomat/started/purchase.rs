//! A widget that was started, and what the postback has to have in common with it.

use std::fmt;

use crate::clock::Timestamp;
use crate::event::{Amount, Currency, PostbackId, WalletAddress};
use crate::kriptomat::KriptomatPostback;

/// A widget that was started, and what was asked for. What was left to the customer is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedPurchase {
    /// The `uuid` that the postback will carry, in lower case: it is compared in any case.
    pub uuid: PostbackId,
    /// Which crypto was to be bought.
    pub asset_type: Option<Currency>,
    /// On which network.
    pub network: Option<String>,
    /// Which wallet was to receive it.
    pub to_address: Option<WalletAddress>,
    /// How much was to be paid.
    pub fiat_amount: Option<Amount>,
    /// How much was to be bought.
    pub crypto_amount: Option<Amount>,
    /// When the widget was started.
    pub started_at: Timestamp,
}

/// In what a postback differs from what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartedDifference {
    /// Another crypto.
    Asset,
    /// Another wallet.
    Address,
    /// Another amount was paid.
    FiatAmount,
    /// Another amount was bought.
    CryptoAmount,
}

impl StartedPurchase {
    /// A widget with this `uuid` that leaves everything to the customer.
    #[must_use]
    pub fn new(uuid: impl AsRef<str>, started_at: Timestamp) -> Self {
        Self {
            uuid: uuid.as_ref().to_ascii_lowercase().into(),
            asset_type: None,
            network: None,
            to_address: None,
            fiat_amount: None,
            crypto_amount: None,
            started_at,
        }
    }

    /// The same, for this crypto.
    #[must_use]
    pub fn asset_type(mut self, code: impl Into<Currency>) -> Self {
        self.asset_type = Some(code.into());
        self
    }

    /// The same, on this network. It is kept for people: Kriptomat does not promise to tell it.
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// The same, to this address.
    #[must_use]
    pub fn to_address(mut self, address: impl Into<WalletAddress>) -> Self {
        self.to_address = Some(address.into());
        self
    }

    /// The same, for this much money.
    #[must_use]
    pub fn fiat_amount(mut self, amount: Amount) -> Self {
        self.fiat_amount = Some(amount);
        self
    }

    /// The same, for this much crypto.
    #[must_use]
    pub fn crypto_amount(mut self, amount: Amount) -> Self {
        self.crypto_amount = Some(amount);
        self
    }

    /// Whether the same was asked for, whenever that was.
    #[must_use]
    pub fn asks_for_the_same(&self, other: &Self) -> bool {
        *self == Self { started_at: self.started_at, ..other.clone() }
    }

    /// In what `postback` differs from what was asked for; empty: in nothing. What was not asked for is not compared, and neither is the
    /// network, which a postback need not tell.
    ///
    /// Assets are compared in any case. Addresses that begin with `0x` are, too: hexadecimal is the same in any case, and its mix is only
    /// a checksum. In other addresses case has a meaning (base58), or is lower case by convention (bech32), and the text has to be the
    /// same. Amounts have to have the same value.
    #[must_use]
    pub fn differences(&self, postback: &KriptomatPostback) -> Vec<StartedDifference> {
        let differs = [
            (
                StartedDifference::Asset,
                self.asset_type.as_ref().is_some_and(|asked| !asked.same_as(postback.asset_type.as_str())),
            ),
            (
                StartedDifference::Address,
                self.to_address.as_ref().is_some_and(|asked| !same_address(asked.as_str(), postback.to_address.as_str())),
            ),
            (StartedDifference::FiatAmount, self.fiat_amount.as_ref().is_some_and(|asked| *asked != postback.fiat_amount)),
            (StartedDifference::CryptoAmount, self.crypto_amount.as_ref().is_some_and(|asked| *asked != postback.amount)),
        ];
        differs.into_iter().filter_map(|(difference, differs)| differs.then_some(difference)).collect()
    }
}

fn same_address(asked: &str, told: &str) -> bool {
    asked == told || (asked.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x")) && asked.eq_ignore_ascii_case(told))
}

impl StartedDifference {
    pub(super) const fn is_of_amount(self) -> bool {
        matches!(self, Self::FiatAmount | Self::CryptoAmount)
    }
}

/// Tells no address and no amount.
impl fmt::Display for StartedDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Asset => "another asset",
            Self::Address => "another address",
            Self::FiatAmount => "another amount paid",
            Self::CryptoAmount => "another amount bought",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postback(asset: &str, address: &str) -> KriptomatPostback {
        KriptomatPostback::new("U".into(), "0.5".parse().unwrap(), asset.into(), "9.10".parse().unwrap(), address.into())
    }

    fn started() -> StartedPurchase {
        StartedPurchase::new("U", Timestamp::default())
    }

    #[test]
    fn what_was_not_asked_for_is_not_compared() {
        assert_eq!(started().network("base").differences(&postback("eth", "0xAb")), []);
    }

    #[test]
    fn case_counts_where_it_means_something() {
        use StartedDifference::{Address, Asset};
        for (asked, told, differences) in [
            (("ETH", "0xaB"), ("eth", "0xAb"), vec![]),
            (("eth", "0XAB"), ("eth", "0xab"), vec![]),
            (("eth", "0xab"), ("eth", "0xac"), vec![Address]),
            (("eth", "0xab"), ("eth", "ab"), vec![Address]),
            (("btc", "1DJ4N7"), ("btc", "1dj4n7"), vec![Address]),
            (("btc", "ß"), ("btc", "ß"), vec![]),
            (("btc", "x"), ("btcx", "x"), vec![Asset]),
            (("btc", "x"), ("", ""), vec![Asset, Address]),
        ] {
            let started = started().asset_type(asked.0).to_address(asked.1);
            assert_eq!(started.differences(&postback(told.0, told.1)), differences, "{asked:?} {told:?}");
        }
    }

    #[test]
    fn amounts_are_compared_by_their_value() {
        use StartedDifference::{CryptoAmount, FiatAmount};
        let amounts = |fiat: &str, crypto: &str| {
            let started = started().fiat_amount(fiat.parse().unwrap()).crypto_amount(crypto.parse().unwrap());
            started.differences(&postback("eth", "0x1"))
        };
        assert_eq!(amounts("9.1", "0.50"), []);
        assert_eq!(amounts("9.11", "0.500000000000000001"), [FiatAmount, CryptoAmount]);
    }

    #[test]
    fn a_uuid_is_the_same_in_any_case() {
        assert!(started().asks_for_the_same(&StartedPurchase::new("u", Timestamp::from_millis(7))));
        assert!(!started().asks_for_the_same(&started().network("base")));
    }
}
