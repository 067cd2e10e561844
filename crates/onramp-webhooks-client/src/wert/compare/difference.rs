//! The differences between an event and the provider's order.

use std::fmt;

use onramp_webhooks::event::{Amount, BigDecimal, CompletedPurchase, Currency, Money};

use super::super::{OrderRow, OrderStatus};

/// A float keeps at least 15 digits, so amounts that differ by less than one part in 10^15 may be the same.
const FLOAT_PRECISION: u64 = 1_000_000_000_000_000;

/// A difference between an event and the provider's order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The provider's order has this status, which is not a success.
    Status(Option<OrderStatus>),
    /// The fiat amount or currency differs, or the provider's order has none.
    Fiat {
        /// The money in the event.
        event: Money,
        /// The money in the provider's order.
        provider: Option<Money>,
    },
    /// The crypto or its amount differs, or the provider's order has none.
    Crypto {
        /// The money in the event.
        event: Money,
        /// The money in the provider's order.
        provider: Option<Money>,
    },
    /// The customer differs.
    Customer,
    /// The wallet address differs.
    Address,
    /// The transaction differs.
    Transaction,
}

/// Returns the differences between a purchase and the provider's order. Empty if they agree.
///
/// - The status must be a success.
/// - Fiat and crypto must be present and equal. The customer must be equal, or missing in both.
/// - Address and transaction, which the Data API does not document, are compared if both sides have them. Case is ignored in hexadecimal
///   ones.
/// - Amounts may differ by one part in 10^15, because the API returns floats.
/// - Currencies are compared ignoring case. The name of one crypto may be a prefix of the other (`MATIC`, `matic.sc.polygon`),
///   because Wert's internal names are longer.
#[must_use]
pub fn differences(purchase: &CompletedPurchase, row: &OrderRow) -> Vec<Difference> {
    let money = |amount: &Option<Amount>, currency: &Option<Currency>| Some(Money::new(amount.clone()?, currency.clone()?));
    let fiat = money(&row.currency_amount, &row.currency);
    let crypto = money(&row.crypto_amount, &row.crypto);
    let same = |event: &Money, provider: &Option<Money>, same_currency: fn(&str, &str) -> bool| {
        provider.as_ref().is_some_and(|provider| {
            same_amount(&event.amount, &provider.amount) && same_currency(event.currency.as_str(), provider.currency.as_str())
        })
    };
    let may_match = |event: Option<&str>, provider: Option<&str>| event.zip(provider).is_none_or(|(a, b)| same_address(a, b));

    let mut found = Vec::new();
    if row.status != Some(OrderStatus::Success) {
        found.push(Difference::Status(row.status.clone()));
    }
    if !same(&purchase.fiat, &fiat, str::eq_ignore_ascii_case) {
        found.push(Difference::Fiat { event: purchase.fiat.clone(), provider: fiat });
    }
    if !same(&purchase.crypto, &crypto, same_crypto) {
        found.push(Difference::Crypto { event: purchase.crypto.clone(), provider: crypto });
    }
    if purchase.customer.primary() != row.click_id.as_ref().map(AsRef::as_ref) {
        found.push(Difference::Customer);
    }
    if !may_match(purchase.address.as_ref().map(AsRef::as_ref), row.address.as_ref().map(AsRef::as_ref)) {
        found.push(Difference::Address);
    }
    if !may_match(purchase.transaction.as_ref().map(AsRef::as_ref), row.transaction_id.as_ref().map(AsRef::as_ref)) {
        found.push(Difference::Transaction);
    }
    found
}

impl Difference {
    /// Returns `true` if the difference can disappear without intervention.
    pub(super) fn may_resolve(&self) -> bool {
        matches!(self, Self::Status(status) if status.as_ref().is_none_or(|status| !status.is_final()))
    }
}

fn same_amount(event: &Amount, provider: &Amount) -> bool {
    let (event, provider) = (event.to_decimal(), provider.to_decimal());
    (&event - &provider).abs() * BigDecimal::from(FLOAT_PRECISION) <= provider
}

fn same_crypto(event: &str, provider: &str) -> bool {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let (event, provider) = (plain(event), plain(provider));
    let (short, long) = if event.len() <= provider.len() { (&event, &provider) } else { (&provider, &event) };
    !short.is_empty() && long.starts_with(short.as_str())
}

/// Compares addresses or transactions. Case is ignored in hexadecimal ones and significant in all others.
fn same_address(event: &str, provider: &str) -> bool {
    event == provider || (event.starts_with("0x") && event.eq_ignore_ascii_case(provider))
}

/// Leaves out personal data.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |f: &mut fmt::Formatter<'_>, what: &str, event: &Money, provider: &Option<Money>| match provider {
            Some(provider) => write!(f, "{what} {event} in the event, {provider} at the provider"),
            None => write!(f, "{what} {event} in the event, missing at the provider"),
        };
        match self {
            Self::Status(Some(status)) => write!(f, "the status is {:?}", status.as_str()),
            Self::Status(None) => f.write_str("the status is missing"),
            Self::Fiat { event, provider } => money(f, "paid", event, provider),
            Self::Crypto { event, provider } => money(f, "bought", event, provider),
            Self::Customer => f.write_str("the customer differs"),
            Self::Address => f.write_str("the wallet differs"),
            Self::Transaction => f.write_str("the transaction differs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::WertEvent;
    use onramp_webhooks::provider::ProviderEvent;
    use serde_json::{Value, json};

    use super::*;

    fn purchase(change: impl Fn(&mut Value)) -> CompletedPurchase {
        let mut event = json!({
            "type": "order_complete", "click_id": "customer-7",
            "order": {
                "id": "O", "base": "BTC", "base_amount": "0.00391274", "quote": "USD", "quote_amount": "250.00",
                "address": "0xAb", "transaction_id": "0xCd",
            },
        });
        change(&mut event);
        WertEvent::read(event.to_string().as_bytes()).unwrap().completed_purchase().unwrap().unwrap()
    }

    fn row(changes: &str) -> OrderRow {
        let mut row = json!({
            "order_id": "O", "click_id": "customer-7", "status": "success", "currency": "usd", "currency_amount": 250,
            "crypto": "btc", "crypto_amount": "0.00391274",
        });
        for (name, value) in serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap() {
            row[name] = value;
        }
        OrderRow::parse(&row.to_string().parse().unwrap()).unwrap()
    }

    fn verdict(purchase: &CompletedPurchase, row: &OrderRow) -> String {
        super::super::Verdict::of(purchase, Some(row)).to_string()
    }

    #[test]
    fn every_field_is_compared() {
        let event = purchase(|_| {});
        for (changes, expected) in [
            (r#"{}"#, "confirmed"),
            (r#"{"status":"SUCCESS","currency":"USD","currency_amount":"250.000","crypto":"BTC"}"#, "confirmed"),
            (r#"{"address":"0xaB","transaction_id":"0xcD"}"#, "confirmed"),
            (r#"{"crypto":"btc.testnet"}"#, "confirmed"),
            (r#"{"new":1}"#, "confirmed"),
            (r#"{"status":"pending"}"#, r#"contradicted: the status is "pending""#),
            (r#"{"status":"on_hold"}"#, r#"contradicted: the status is "on_hold""#),
            (r#"{"status":null}"#, "contradicted: the status is missing"),
            (r#"{"status":7}"#, r#"contradicted: the status is "7""#),
            (r#"{"currency_amount":25}"#, "contradicted: paid 250.00 USD in the event, 25 usd at the provider"),
            (r#"{"currency":"eur"}"#, "contradicted: paid 250.00 USD in the event, 250 eur at the provider"),
            (r#"{"currency_amount":null}"#, "contradicted: paid 250.00 USD in the event, missing at the provider"),
            (
                r#"{"currency_amount":"250.0000001"}"#,
                "contradicted: paid 250.00 USD in the event, 250.0000001 usd at the provider",
            ),
            (
                r#"{"crypto_amount":"0.00391275"}"#,
                "contradicted: bought 0.00391274 BTC in the event, 0.00391275 btc at the provider",
            ),
            (r#"{"crypto":"eth"}"#, "contradicted: bought 0.00391274 BTC in the event, 0.00391274 eth at the provider"),
            (r#"{"crypto":null}"#, "contradicted: bought 0.00391274 BTC in the event, missing at the provider"),
            (r#"{"click_id":"customer-8"}"#, "contradicted: the customer differs"),
            (r#"{"click_id":null}"#, "contradicted: the customer differs"),
            (r#"{"address":"0xAc"}"#, "contradicted: the wallet differs"),
            (r#"{"transaction_id":"0xCe"}"#, "contradicted: the transaction differs"),
            (r#"{"status":"failed","click_id":"x"}"#, r#"contradicted: the status is "failed"; the customer differs"#),
        ] {
            assert_eq!(verdict(&event, &row(changes)), expected, "{changes}");
        }
    }

    #[test]
    fn base_and_quote_may_be_swapped_and_optional_fields_are_compared_only_if_both_have_them() {
        let swapped = purchase(|event| {
            event["order"] = json!({
                "id": "O", "base": "USD", "base_amount": "250", "quote": "BTC", "quote_amount": "0.00391274",
            });
        });
        assert_eq!(verdict(&swapped, &row(r#"{"address":"0xAc","transaction_id":"0xCe"}"#)), "confirmed");
        let without_customer = purchase(|event| event["click_id"] = Value::Null);
        assert_eq!(verdict(&without_customer, &row("{}")), "contradicted: the customer differs");
        assert_eq!(verdict(&without_customer, &row(r#"{"click_id":""}"#)), "confirmed");
    }

    #[test]
    fn amounts_may_differ_only_by_float_rounding() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        for (event, provider) in [
            ("1234567890.123456789012345678", "1234567890.1234567"),
            ("589000000000000.000000000000000001", "589000000000000"),
            ("0.1", "0.1"),
            ("0.100000000000000005", "0.1"),
            ("0", "0.0"),
        ] {
            assert!(same_amount(&amount(event), &amount(provider)), "{event}");
        }
        for (event, provider) in [
            ("1234567890.123456789012345678", "1234567890.12345"),
            ("0.1", "0.10000000000001"),
            ("0.000000000000000001", "0"),
            ("0", "0.000000000000000001"),
            ("1e256", "1e255"),
            ("100", "1"),
        ] {
            assert!(!same_amount(&amount(event), &amount(provider)), "{event}");
        }
    }

    #[test]
    fn a_crypto_name_may_be_a_prefix_of_the_other() {
        for (event, provider) in
            [("MATIC", "matic.sc.polygon"), ("ETHSC", "eth.sc.ethereum"), ("usdt", "USDT"), ("usdt.trc20", "USDT")]
        {
            assert!(same_crypto(event, provider), "{event}");
        }
        for (event, provider) in [("BTC", "ETH"), ("ETH", "weth"), ("", "btc"), ("btc", "..")] {
            assert!(!same_crypto(event, provider), "{event}");
        }
    }

    #[test]
    fn case_is_ignored_in_hexadecimal_values() {
        assert!(same_address("0xAB", "0xab"));
        assert!(!same_address("1DJ4N7", "1dj4n7"));
    }

    #[test]
    fn a_verdict_may_change_while_the_status_is_not_final() {
        for (status, may_change) in [(r#""pending""#, true), (r#""new word""#, true), ("null", true), (r#""failed""#, false)] {
            let verdict = super::super::Verdict::of(&purchase(|_| {}), Some(&row(&format!(r#"{{"status":{status}}}"#))));
            assert_eq!(verdict.may_change(), may_change, "{status}");
        }
        let both = super::super::Verdict::of(&purchase(|_| {}), Some(&row(r#"{"status":"pending","click_id":"x"}"#)));
        assert!(!both.may_change());
    }
}
