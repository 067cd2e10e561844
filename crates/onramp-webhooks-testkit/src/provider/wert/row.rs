//! One order as the Data API has it.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::BigDecimal;
use serde_json::{Value, json};
use time::UtcDateTime;
use time::macros::format_description;

use crate::events::WertOrder;

/// A row of Wert's Data API: an order that is complete, until the builder says otherwise.
///
/// ```
/// use onramp_webhooks::clock::{Clock, SystemClock};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::provider::{FakeProvider, WertRow};
/// use serde_json::Value;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (provider, now) = (FakeProvider::start().await, SystemClock::default().now());
/// let order = WertOrder::new().crypto("12.3456789", "MATIC");
/// provider.set_row(WertRow::of(&order, now).pending(Value::Null)); // not final, and without amounts
/// provider.set_row(WertRow::of(&order, now).decimals(4).with("crypto", "pol")); // complete, with another name and fewer digits
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WertRow(Value);

impl WertRow {
    /// Creates the row of an order that was created and completed at `created`.
    ///
    /// # Panics
    /// Never, because the events of an order are JSON.
    #[must_use]
    pub fn of(order: &WertOrder, created: Timestamp) -> Self {
        let event: Value = serde_json::from_slice(&order.event("any")).expect("JSON");
        let order = &event["order"];
        let lower = |name: &str| order[name].as_str().unwrap_or_default().to_ascii_lowercase();
        let number = |name: &str| order[name].as_str().unwrap_or_default().parse().unwrap_or(Value::Null);
        let row = json!({
            "order_id": order["id"],
            "click_id": event["click_id"],
            "currency": lower("quote"),
            "currency_amount": number("quote_amount"),
            "crypto": lower("base"),
            "crypto_amount": number("base_amount"),
            "user_id": "01GJMAVBKQYNKGCFSPE4QTN4AC",
            "status": "success",
            "card_id": "01GJMAYZ7M4GYWNDFST2HE8F46",
            "created_at": format(created),
            "changed_at": format(created),
            "partner_fee": 0.05,
            "partner_fee_percent": 0.01,
        });
        Self(row)
    }

    /// Sets the API's name for the state of the order, such as `success` or `failed`.
    #[must_use]
    pub fn status(self, status: &str) -> Self {
        self.with("status", status)
    }

    /// Sets the status `pending`, and both amounts to `amounts`: a row that is not final may have null or zero.
    #[must_use]
    pub fn pending(self, amounts: impl Into<Value>) -> Self {
        let amounts = amounts.into();
        self.status("pending").with("currency_amount", amounts.clone()).with("crypto_amount", amounts)
    }

    /// Sets the time of the last change.
    #[must_use]
    pub fn changed(self, at: Timestamp) -> Self {
        self.with("changed_at", format(at))
    }

    /// Rounds the amount of crypto half up to so many decimals.
    ///
    /// # Panics
    /// If the row has no such amount.
    #[must_use]
    pub fn decimals(self, decimals: u16) -> Self {
        let amount: BigDecimal = self.0["crypto_amount"].to_string().parse().expect("an amount of crypto");
        let unit = BigDecimal::new(1.into(), decimals.into());
        let rounded = (amount + unit.half()).with_scale(decimals.into());
        let rounded = rounded.to_plain_string().parse().unwrap_or(Value::Null);
        self.with("crypto_amount", rounded)
    }

    /// Sets any field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }
}

impl From<WertRow> for Value {
    fn from(row: WertRow) -> Self {
        row.0
    }
}

/// Formats a time as rows have it, such as `2026-01-31 12:30:00`.
pub(super) fn format(time: Timestamp) -> String {
    let seconds = time.as_millis().div_euclid(1_000);
    let time = UtcDateTime::from_unix_timestamp(seconds).expect("a year of four digits");
    time.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]")).expect("a time")
}
