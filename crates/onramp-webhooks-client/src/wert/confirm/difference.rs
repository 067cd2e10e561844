//! What an event says and the provider does not.

use std::fmt;

use onramp_webhooks::event::{Amount, BigDecimal, CompletedPurchase, Currency, Money};

use super::super::{OrderRow, OrderStatus};

/// A float keeps at least 15 digits, so what differs by less than one part in 10^15 may be the same amount.
const FLOAT: u64 = 1_000_000_000_000_000;

/// What an event says and the provider does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// The provider does not call the order a success, but this.
    Status(Option<OrderStatus>),
    /// Another payment, or one that the provider does not tell.
    Fiat {
        /// What the event says.
        event: Money,
        /// What the provider says.
        provider: Option<Money>,
    },
    /// Another amount of crypto, another crypto, or one that the provider does not tell.
    Crypto {
        /// What the event says.
        event: Money,
        /// What the provider says.
        provider: Option<Money>,
    },
    /// Another customer.
    Customer,
    /// Another wallet.
    Address,
    /// Another transaction.
    Transaction,
}

/// What `purchase` says and `row` does not; nothing if the purchase is what the provider knows.
///
/// The status has to be a success, and payment, crypto and customer have to be there and the same. Address and transaction, which
/// the Data API does not promise, are compared where both sides tell them. Amounts may differ by less than one part in 10^15, because the
/// API writes them as floats; currencies may be written in any case; and of two names for a crypto, one may be the beginning
/// of the other (`MATIC`, `matic.sc.polygon`), because Wert's own names have more to them.
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
    let may_be = |event: Option<&str>, provider: Option<&str>| event.zip(provider).is_none_or(|(a, b)| same_address(a, b));

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
    if !may_be(purchase.address.as_ref().map(AsRef::as_ref), row.address.as_ref().map(AsRef::as_ref)) {
        found.push(Difference::Address);
    }
    if !may_be(purchase.transaction.as_ref().map(AsRef::as_ref), row.transaction_id.as_ref().map(AsRef::as_ref)) {
        found.push(Difference::Transaction);
    }
    found
}

impl Difference {
    /// Whether the difference can go away by itself.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Status(status) if status.as_ref().is_none_or(|status| !status.is_final()))
    }
}

fn same_amount(event: &Amount, provider: &Amount) -> bool {
    let (event, provider) = (event.to_decimal(), provider.to_decimal());
    (&event - &provider).abs() * BigDecimal::from(FLOAT) <= provider
}

fn same_crypto(event: &str, provider: &str) -> bool {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let (event, provider) = (plain(event), plain(provider));
    let (short, long) = if event.len() <= provider.len() { (&event, &provider) } else { (&provider, &event) };
    !short.is_empty() && long.starts_with(short.as_str())
}

/// Hexadecimal may be written in any case; in other addresses and transactions, case counts.
fn same_address(event: &str, provider: &str) -> bool {
    event == provider || (event.starts_with("0x") && event.eq_ignore_ascii_case(provider))
}

/// Leaves out what names a person.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |f: &mut fmt::Formatter<'_>, what: &str, event: &Money, provider: &Option<Money>| match provider {
            Some(provider) => write!(f, "{what} {event} in the event, {provider} at the provider"),
            None => write!(f, "{what} {event} in the event, not told by the provider"),
        };
        match self {
            Self::Status(Some(status)) => write!(f, "the status is {:?}", status.as_str()),
            Self::Status(None) => f.write_str("there is no status"),
            Self::Fiat { event, provider } => money(f, "paid", event, provider),
            Self::Crypto { event, provider } => money(f, "bought", event, provider),
            Self::Customer => f.write_str("another customer"),
            Self::Address => f.write_str("another wallet"),
            Self::Transaction => f.write_str("another transaction"),
        }
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::event::{Event, Provider};
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
        Event::decode(Provider::Wert, event.to_string().as_bytes()).unwrap().completed_purchase().unwrap().unwrap()
    }

    fn row(changes: &str) -> OrderRow {
        let mut row = json!({
            "order_id": "O", "click_id": "customer-7", "status": "success", "currency": "usd", "currency_amount": 250,
            "crypto": "btc", "crypto_amount": "0.00391274",
        });
        for (name, value) in serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap() {
            row[name] = value;
        }
        OrderRow::read(&row.to_string().parse().unwrap()).unwrap()
    }

    fn told(purchase: &CompletedPurchase, row: &OrderRow) -> String {
        super::super::Verdict::of(purchase, Some(row)).to_string()
    }

    #[test]
    fn what_is_compared() {
        let event = purchase(|_| {});
        for (changes, verdict) in [
            (r#"{}"#, "confirmed"),
            (r#"{"status":"SUCCESS","currency":"USD","currency_amount":"250.000","crypto":"BTC"}"#, "confirmed"),
            (r#"{"address":"0xaB","transaction_id":"0xcD"}"#, "confirmed"),
            (r#"{"crypto":"btc.testnet"}"#, "confirmed"),
            (r#"{"new":1}"#, "confirmed"),
            (r#"{"status":"pending"}"#, r#"contradicted: the status is "pending""#),
            (r#"{"status":"on_hold"}"#, r#"contradicted: the status is "on_hold""#),
            (r#"{"status":null}"#, "contradicted: there is no status"),
            (r#"{"status":7}"#, r#"contradicted: the status is "7""#),
            (r#"{"currency_amount":25}"#, "contradicted: paid 250.00 USD in the event, 25 usd at the provider"),
            (r#"{"currency":"eur"}"#, "contradicted: paid 250.00 USD in the event, 250 eur at the provider"),
            (r#"{"currency_amount":null}"#, "contradicted: paid 250.00 USD in the event, not told by the provider"),
            (
                r#"{"currency_amount":"250.0000001"}"#,
                "contradicted: paid 250.00 USD in the event, 250.0000001 usd at the provider",
            ),
            (
                r#"{"crypto_amount":"0.00391275"}"#,
                "contradicted: bought 0.00391274 BTC in the event, 0.00391275 btc at the provider",
            ),
            (r#"{"crypto":"eth"}"#, "contradicted: bought 0.00391274 BTC in the event, 0.00391274 eth at the provider"),
            (r#"{"crypto":null}"#, "contradicted: bought 0.00391274 BTC in the event, not told by the provider"),
            (r#"{"click_id":"customer-8"}"#, "contradicted: another customer"),
            (r#"{"click_id":null}"#, "contradicted: another customer"),
            (r#"{"address":"0xAc"}"#, "contradicted: another wallet"),
            (r#"{"transaction_id":"0xCe"}"#, "contradicted: another transaction"),
            (r#"{"status":"failed","click_id":"x"}"#, r#"contradicted: the status is "failed"; another customer"#),
        ] {
            assert_eq!(told(&event, &row(changes)), verdict, "{changes}");
        }
    }

    #[test]
    fn base_and_quote_may_change_places_and_what_is_not_told_is_not_compared() {
        let swapped = purchase(|event| {
            event["order"] = json!({
                "id": "O", "base": "USD", "base_amount": "250", "quote": "BTC", "quote_amount": "0.00391274",
            });
        });
        assert_eq!(told(&swapped, &row(r#"{"address":"0xAc","transaction_id":"0xCe"}"#)), "confirmed");
        let nobody = purchase(|event| event["click_id"] = Value::Null);
        assert_eq!(told(&nobody, &row("{}")), "contradicted: another customer");
        assert_eq!(told(&nobody, &row(r#"{"click_id":""}"#)), "confirmed");
    }

    #[test]
    fn a_float_may_round_and_nothing_else_may() {
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
    fn names_of_a_crypto_begin_alike() {
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
    fn case_counts_where_it_means_something() {
        assert!(same_address("0xAB", "0xab"));
        assert!(!same_address("1DJ4N7", "1dj4n7"));
    }

    #[test]
    fn only_what_is_under_way_may_pass() {
        for (status, passes) in [(r#""pending""#, true), (r#""new word""#, true), ("null", true), (r#""failed""#, false)] {
            let verdict = super::super::Verdict::of(&purchase(|_| {}), Some(&row(&format!(r#"{{"status":{status}}}"#))));
            assert_eq!(verdict.may_change(), passes, "{status}");
        }
        let both = super::super::Verdict::of(&purchase(|_| {}), Some(&row(r#"{"status":"pending","click_id":"x"}"#)));
        assert!(!both.may_change());
    }
}
