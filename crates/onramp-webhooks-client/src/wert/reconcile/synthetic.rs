//! The synthetic delivery of a missing order, built from the Data API's response.

use std::sync::Arc;

use onramp_webhooks::Wert;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, Currency};
use onramp_webhooks::inbox::NewDelivery;
use serde_json::{Map, Value, json};

use super::{OrderRow, timestamp};

/// Builds the `order_complete` of an order, with every field of a real event that the row has, and a field `onramp_webhooks` that states
/// its origin.
///
/// # Errors
/// Returns the reason if the row has no amounts or currencies, or if the core rejects the delivery.
pub(super) fn delivery(row: &OrderRow, endpoint: &Arc<str>, now: Timestamp) -> Result<NewDelivery, String> {
    let body = body(row).ok_or("its amounts or currencies are missing at Wert")?;
    NewDelivery::synthetic::<Wert>(Arc::clone(endpoint), now, body.to_string().into()).map_err(|error| error.to_string())
}

fn body(row: &OrderRow) -> Option<Value> {
    let order = [
        ("id", Some(row.order_id.as_str().to_owned())),
        ("base", Some(code(row.crypto.as_ref()?))),
        ("base_amount", Some(amount(row.crypto_amount.as_ref()?))),
        ("quote", Some(code(row.currency.as_ref()?))),
        ("quote_amount", Some(amount(row.currency_amount.as_ref()?))),
        ("address", row.address.as_ref().map(|address| address.as_str().to_owned())),
        ("transaction_id", row.transaction_id.as_ref().map(|id| id.as_str().to_owned())),
    ];
    let origin = [
        ("synthetic", Some("reconciliation".to_owned())),
        ("status", row.status.as_ref().map(|status| status.as_str().to_owned())),
        ("created_at", row.created_at.and_then(timestamp::format)),
        ("changed_at", row.changed_at.and_then(timestamp::format)),
    ];
    let mut event = object(order_complete(row));
    event.insert("order".to_owned(), object(order).into());
    event.insert("onramp_webhooks".to_owned(), object(origin).into());
    Some(json!(event))
}

fn order_complete(row: &OrderRow) -> [(&'static str, Option<String>); 2] {
    let click_id = row.click_id.as_ref().map(|id| id.as_str().to_owned());
    [("type", Some("order_complete".to_owned())), ("click_id", click_id)]
}

/// Builds an object of the fields that have a value.
fn object<const N: usize>(fields: [(&str, Option<String>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
}

/// Converts a currency code to the events' form: `USD` and `BTC`, where the API has `usd` and `btc`. Names with dots are the same
/// in events and in the API.
fn code(code: &Currency) -> String {
    let code = code.as_str();
    if code.contains('.') { code.to_owned() } else { code.to_ascii_uppercase() }
}

fn amount(amount: &Amount) -> String {
    amount.to_string()
}
