//! Kriptomat's `widget/init`.

use serde_json::{Value, json};

use super::FakeProvider;
use super::answer::Reply;
use super::seen::Seen;
use crate::events;

/// The request fields that the widget's URL contains.
const REPEATED: [&str; 4] = ["to_address", "amount", "asset_type", "network"];

pub(super) fn init(seen: &Seen) -> Reply {
    let asked = seen.json();
    if asked["token"] != FakeProvider::TOKEN {
        return refusal(401, "unknown token");
    }
    if let Some(why) = broken_rule(&asked) {
        return refusal(422, why);
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in REPEATED {
        if let Some(value) = asked.get(name) {
            query.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
        }
    }
    query.append_pair("uuid", &events::uuid());
    let url = format!("https://widget.kriptomat.io/?{}", query.finish());
    Reply::json(200, &json!({ "status": "true", "data": { "url": url } }))
}

fn broken_rule(asked: &Value) -> Option<&'static str> {
    let has = |name: &str| asked.get(name).is_some();
    match () {
        () if has("to_address") && !has("asset_type") && !has("network") => Some("to_address needs asset_type or network"),
        () if has("amount") && !has("amount_type") => Some("amount needs amount_type"),
        () if has("amount") && !asked["amount"].is_number() => Some("amount is not a number"),
        () => None,
    }
}

fn refusal(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "status": "false", "message": why }))
}
