//! The differences between an event and the provider's order.

use std::fmt;

use onramp_webhooks::event::{Amount, CompletedPurchase, Currency, Money};

use super::super::{OrderRow, OrderStatus};
use super::amounts;
use super::codes::CryptoCodes;

/// A difference between an event and the provider's order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The provider's order has this status, which is final and not a success.
    Status(OrderStatus),
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
    /// The order id differs.
    Order,
    /// The customer differs.
    Customer,
    /// The wallet address differs.
    Address,
    /// The transaction differs.
    Transaction,
}

/// Returns the differences between a purchase and the provider's order, whose status is final. Empty if they agree.
pub(super) fn differences(codes: &CryptoCodes, purchase: &CompletedPurchase, row: &OrderRow) -> Vec<Difference> {
    let money = |amount: &Option<Amount>, currency: &Option<Currency>| Some(Money::new(amount.clone()?, currency.clone()?));
    let fiat = money(&row.currency_amount, &row.currency);
    let crypto = money(&row.crypto_amount, &row.crypto);
    let cents = purchase.fiat.currency.decimals().unwrap_or_default();
    let same_fiat = |fiat: &Money| {
        amounts::agree(&purchase.fiat.amount, &fiat.amount, cents) && purchase.fiat.currency.same_as(fiat.currency.as_str())
    };
    let same_crypto = |crypto: &Money| {
        amounts::agree(&purchase.crypto.amount, &crypto.amount, 0)
            && codes.are_same(purchase.crypto.currency.as_str(), crypto.currency.as_str())
    };
    let may_match = |event: Option<&str>, provider: Option<&str>| event.zip(provider).is_none_or(|(a, b)| same_address(a, b));

    let mut found = Vec::new();
    if let Some(status) = row.status.as_ref().filter(|status| **status != OrderStatus::Success) {
        found.push(Difference::Status(status.clone()));
    }
    if !fiat.as_ref().is_some_and(same_fiat) {
        found.push(Difference::Fiat { event: purchase.fiat.clone(), provider: fiat });
    }
    if !crypto.as_ref().is_some_and(same_crypto) {
        found.push(Difference::Crypto { event: purchase.crypto.clone(), provider: crypto });
    }
    if purchase.order.as_ref().is_some_and(|order| *order != row.order_id) {
        found.push(Difference::Order);
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
            Self::Status(status) => write!(f, "the status is {:?}", status.as_str()),
            Self::Fiat { event, provider } => money(f, "paid", event, provider),
            Self::Crypto { event, provider } => money(f, "bought", event, provider),
            Self::Order => f.write_str("the order differs"),
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

    use super::super::Verdict;
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
        Verdict::of(&CryptoCodes::default(), purchase, Some(row)).to_string()
    }

    #[test]
    fn every_field_is_compared() {
        let event = purchase(|_| {});
        for (changes, expected) in [
            (r#"{}"#, "confirmed"),
            (r#"{"status":"SUCCESS","currency":"USD","currency_amount":"250.000","crypto":"BTC"}"#, "confirmed"),
            (r#"{"address":"0xaB","transaction_id":"0xcD"}"#, "confirmed"),
            (r#"{"crypto":"btc.sc.testnet"}"#, "confirmed"),
            (r#"{"new":1}"#, "confirmed"),
            (r#"{"status":"pending"}"#, r#"not final: the status is "pending""#),
            (r#"{"status":"on_hold"}"#, r#"not final: the status is "on_hold""#),
            (r#"{"status":null}"#, "not final: the status is missing"),
            (r#"{"status":7}"#, r#"not final: the status is "7""#),
            (r#"{"status":"cancelled"}"#, r#"contradicted: the status is "cancelled""#),
            (r#"{"crypto_amount":"0.0039127"}"#, "confirmed"),
            (r#"{"currency_amount":25}"#, "contradicted: paid 250.00 USD in the event, 25 usd at the provider"),
            (r#"{"currency":"eur"}"#, "contradicted: paid 250.00 USD in the event, 250 eur at the provider"),
            (r#"{"currency_amount":0}"#, "contradicted: paid 250.00 USD in the event, 0 usd at the provider"),
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
            (
                r#"{"crypto":"btc.testnet"}"#,
                "contradicted: bought 0.00391274 BTC in the event, 0.00391274 btc.testnet at the provider",
            ),
            (r#"{"crypto":"b"}"#, "contradicted: bought 0.00391274 BTC in the event, 0.00391274 b at the provider"),
            (r#"{"crypto":null}"#, "contradicted: bought 0.00391274 BTC in the event, missing at the provider"),
            (r#"{"order_id":"o"}"#, "contradicted: the order differs"),
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
    fn case_is_ignored_in_hexadecimal_values() {
        assert!(same_address("0xAB", "0xab"));
        assert!(!same_address("1DJ4N7", "1dj4n7"));
    }

    #[test]
    fn while_the_status_is_not_final_no_other_field_counts() {
        for status in [r#""pending""#, r#""created""#, r#""progress""#, r#""new word""#, "null"] {
            for fields in [
                String::new(),
                r#","currency_amount":null,"crypto_amount":0,"crypto":null"#.to_owned(),
                r#","currency_amount":1,"click_id":"x","address":"0xAc","transaction_id":"0xCe""#.to_owned(),
            ] {
                let row = row(&format!(r#"{{"status":{status}{fields}}}"#));
                let verdict = Verdict::of(&CryptoCodes::default(), &purchase(|_| {}), Some(&row));
                assert!(matches!(&verdict, Verdict::NotFinal(found) if *found == row.status), "{verdict}");
                assert!(verdict.may_change() && !verdict.is_confirmed());
            }
        }
        let failed = Verdict::of(&CryptoCodes::default(), &purchase(|_| {}), Some(&row(r#"{"status":"failed"}"#)));
        assert!(!failed.may_change());
    }
}
