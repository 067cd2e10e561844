//! Events to send.

use serde_json::json;

/// Returns Wert's event of a completed order.
#[must_use]
pub fn order_complete(order: &str, customer: &str, fiat: &str) -> String {
    let event = json!({
        "type": "order_complete",
        "click_id": customer,
        "order": {
            "id": order,
            "base": "BTC",
            "base_amount": "0.00391274",
            "quote": "USD",
            "quote_amount": fiat,
            "address": "bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a",
            "transaction_id": "9d6a",
        },
    });
    event.to_string()
}

/// Returns a postback of Kriptomat's.
#[must_use]
pub fn postback(uuid: &str, customer: &str, fiat: &str) -> String {
    let event = json!({
        "uuid": uuid,
        "amount": 0.0625,
        "asset_type": "eth",
        "fiat_amount": fiat,
        "to_address": "0xc9c87f267ae87702e80821c8cc5a559f6f33f2a0",
        "additional_fields[0]": customer,
    });
    event.to_string()
}
