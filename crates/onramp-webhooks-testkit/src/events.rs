//! Request bodies of the providers.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
#[cfg(feature = "provider")]
use onramp_webhooks::clock::Timestamp;
use serde_json::{Map, Value, json};

/// The documented account events of Wert's.
pub const WERT_ACCOUNT_EVENTS: [&str; 8] =
    ["registration", "login", "logout", "card_added", "new_card_added", "verify_start", "verify_retry", "verify_failed"];

/// The documented order events of Wert's.
pub const WERT_ORDER_EVENTS: [&str; 7] = [
    "verify_success",
    "payment_started",
    "transfer_started",
    "order_complete",
    "order_failed",
    "order_canceled",
    "tx_smart_contract_failed",
];

/// Crockford's base-32 alphabet of ULIDs.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Returns a new order id in Wert's format, a ULID. Ids increase within this process.
#[must_use]
pub fn order_id() -> String {
    static FIRST: LazyLock<u128> = LazyLock::new(|| now_millis() << 80 | u128::from(std::process::id()) << 48);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    encode(*FIRST + u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Returns the ULID with this time and number.
#[cfg(feature = "provider")]
pub(crate) fn ulid(time: Timestamp, number: u64) -> String {
    encode(u128::try_from(time.as_millis()).unwrap_or_default() << 80 | u128::from(number))
}

/// Returns the number of a ULID.
#[cfg(feature = "provider")]
pub(crate) fn number_of(ulid: &str) -> Option<u64> {
    let place = |letter: u8| ALPHABET.iter().position(|other| *other == letter);
    let number = ulid.bytes().try_fold(0_u128, |number, letter| Some(number << 5 | u128::try_from(place(letter)?).ok()?))?;
    u64::try_from(number & u128::from(u64::MAX)).ok()
}

fn encode(number: u128) -> String {
    (0..26).rev().map(|place| letter(number >> (5 * place))).collect()
}

/// Returns a new uuid in Kriptomat's format. Other processes return others.
#[must_use]
pub fn uuid() -> String {
    static FIRST: LazyLock<u64> = LazyLock::new(|| {
        let millis = u64::try_from(now_millis()).unwrap_or_default();
        (millis << 22) ^ (u64::from(std::process::id()) << 32)
    });
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = FIRST.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (high, middle) = (number >> 32, (number >> 16) & 0xffff);
    format!("{high:08x}-{middle:04x}-4{:03x}-8{:03x}-{:012x}", number & 0xfff, number >> 52, number & 0xffff_ffff_ffff)
}

fn now_millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

fn letter(number: u128) -> char {
    let index = usize::try_from(number & 31).unwrap_or(0);
    ALPHABET.get(index).copied().map_or('0', char::from)
}

/// A builder for the event bodies of an order in Wert's widget.
#[derive(Clone, Debug)]
pub struct WertOrder {
    click_id: String,
    order: Map<String, Value>,
}

impl Default for WertOrder {
    fn default() -> Self {
        Self::new()
    }
}

impl WertOrder {
    /// Creates an order with a new id, for 0.00391274 BTC at 250.00 USD.
    #[must_use]
    pub fn new() -> Self {
        let order = Map::new();
        Self { click_id: "shop-20418".into(), order }
            .with("id", order_id())
            .crypto("0.00391274", "BTC")
            .fiat("250.00", "USD")
            .with("address", "bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a")
    }

    /// Returns the id of the order, or `None` if the field was removed.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.order.get("id")?.as_str()
    }

    /// Sets the click id, which identifies the customer to the shop.
    #[must_use]
    pub fn click_id(mut self, click_id: impl Into<String>) -> Self {
        self.click_id = click_id.into();
        self
    }

    /// Sets the amount and the currency that were bought.
    #[must_use]
    pub fn crypto(self, amount: &str, code: &str) -> Self {
        self.with("base_amount", amount).with("base", code)
    }

    /// Sets the amount and the currency that were paid.
    #[must_use]
    pub fn fiat(self, amount: &str, code: &str) -> Self {
        self.with("quote_amount", amount).with("quote", code)
    }

    /// Sets any field of `order`, such as `id`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.order.insert(field.into(), value.into());
        self
    }

    /// Removes a field of `order`.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.order.remove(field);
        self
    }

    /// Returns the body of an event of type `event_type`.
    #[must_use]
    pub fn event(&self, event_type: &str) -> Bytes {
        let event = json!({"type": event_type, "click_id": self.click_id, "order": self.order});
        event.to_string().into()
    }

    /// Returns a `payment_started`, which has no transaction.
    #[must_use]
    pub fn payment_started(&self) -> Bytes {
        self.clone().with("transaction_id", Value::Null).event("payment_started")
    }

    /// Returns a `transfer_started`, which has a transaction.
    #[must_use]
    pub fn transfer_started(&self) -> Bytes {
        self.with_transaction().event("transfer_started")
    }

    /// Returns an `order_complete`.
    #[must_use]
    pub fn complete(&self) -> Bytes {
        self.with_transaction().event("order_complete")
    }

    /// Returns an `order_failed`.
    #[must_use]
    pub fn failed(&self) -> Bytes {
        self.clone().with("transaction_id", Value::Null).with("error_code", "card_declined").event("order_failed")
    }

    /// Returns an `order_canceled`.
    #[must_use]
    pub fn canceled(&self) -> Bytes {
        self.clone().with("transaction_id", Value::Null).event("order_canceled")
    }

    /// Returns a `tx_smart_contract_failed`, with the order that the customer got instead of the call of the contract.
    #[must_use]
    pub fn contract_failed(&self) -> Bytes {
        let instead = self.clone().with("id", order_id()).with_transaction().order;
        let data = json!({
            "sc_id": "",
            "sc_address": "0x4877a53e68d949f0ff063917e313f2a2ebf22bfb",
            "sc_input_data": "0xe7b2adcd",
            "sc_type_name": "ERC-1155",
        });
        self.with_transaction().with("partner_data", data).with("fallback_order", instead).event("tx_smart_contract_failed")
    }

    /// Returns a `verify_success`, which has the amounts of an order and no id.
    #[must_use]
    pub fn verified(&self) -> Bytes {
        self.clone().without("id").event("verify_success")
    }

    /// Returns the body of a documented event, with the fields that events of this type have.
    #[must_use]
    pub fn documented(&self, event_type: &str) -> Bytes {
        match event_type {
            "verify_success" => self.verified(),
            "payment_started" => self.payment_started(),
            "transfer_started" => self.transfer_started(),
            "order_complete" => self.complete(),
            "order_failed" => self.failed(),
            "order_canceled" => self.canceled(),
            "tx_smart_contract_failed" => self.contract_failed(),
            account if WERT_ACCOUNT_EVENTS.contains(&account) => wert_account(account, &self.click_id),
            other => self.event(other),
        }
    }

    fn with_transaction(&self) -> Self {
        let transaction = format!("0x{:0>64}", self.id().unwrap_or_default().to_ascii_lowercase());
        self.clone().with("transaction_id", transaction)
    }
}

/// Returns the body of an account event of Wert's, such as `login`.
#[must_use]
pub fn wert_account(event_type: &str, click_id: &str) -> Bytes {
    json!({"type": event_type, "click_id": click_id}).to_string().into()
}

/// Returns the body that the test button of Wert's dashboard sends.
#[must_use]
pub fn wert_test() -> Bytes {
    WertOrder::new().click_id("test_click_id").without("id").with("transaction_id", "any_transaction").event("test")
}

/// A builder for a postback of Kriptomat's.
#[derive(Clone, Debug)]
pub struct Postback {
    fields: Map<String, Value>,
}

impl Default for Postback {
    fn default() -> Self {
        Self::new()
    }
}

impl Postback {
    /// Creates a postback with a new uuid, for 0.0625 ETH at 180.40 EUR.
    #[must_use]
    pub fn new() -> Self {
        Self { fields: Map::new() }
            .with("uuid", uuid())
            .with("amount", 0.0625)
            .with("asset_type", "eth")
            .with("fiat_amount", "180.40")
            .with("to_address", "0xc9c87f267ae87702e80821c8cc5a559f6f33f2a0")
    }

    /// Returns the uuid of the purchase, or `None` if the field was removed.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.fields.get("uuid")?.as_str()
    }

    /// Sets any field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.into(), value.into());
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.fields.remove(field);
        self
    }

    /// Sets the additional field `key`, in the spelling of the JSON example in Kriptomat's documentation.
    #[must_use]
    pub fn additional_field(self, key: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("additional_fields[{key}]"), value)
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        Value::from(self.fields.clone()).to_string().into()
    }

    /// Returns the body as a form.
    #[must_use]
    pub fn form(&self) -> Bytes {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.fields {
            form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
        }
        form.finish().into()
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::provider::ProviderEvent;
    use onramp_webhooks::{KriptomatPostback, WertEvent};

    use super::*;

    #[test]
    fn order_ids_are_ulids_that_grow() {
        let ids: Vec<_> = (0..100).map(|_| order_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 26 && id.starts_with("01")), "{ids:?}");
    }

    #[test]
    fn everything_can_be_read() {
        let order = WertOrder::new();
        let types = [order.payment_started(), order.transfer_started(), order.complete(), order.failed(), wert_test()]
            .map(|body| WertEvent::read(&body).unwrap().type_name().to_owned());
        assert_eq!(types, ["payment_started", "transfer_started", "order_complete", "order_failed", "test"]);
        for event_type in WERT_ACCOUNT_EVENTS.into_iter().chain(WERT_ORDER_EVENTS) {
            assert_eq!(WertEvent::read(&order.documented(event_type)).unwrap().type_name(), event_type);
        }
        assert_eq!(WertEvent::read(&order.documented("brand_new")).unwrap().type_name(), "brand_new");

        let postback = Postback::new().additional_field("0", "customer-7");
        for body in [postback.json(), postback.form()] {
            let purchase = KriptomatPostback::read(&body).unwrap().completed_purchase().unwrap().unwrap();
            assert_eq!(purchase.fiat.to_string(), "180.40 EUR");
            assert_eq!(purchase.customer_id().unwrap(), "customer-7");
        }
        assert_ne!(Postback::new().uuid(), Postback::new().uuid());
    }
}
