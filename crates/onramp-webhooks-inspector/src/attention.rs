//! The items that wait for an operator, as JSON.

use onramp_webhooks::attention::{Attention, Item, ItemKind};
use serde_json::{Value, json};

use crate::{query, view};

/// Returns the items. Their `query` is that of the list of their deliveries.
pub(crate) fn items(attention: &Attention) -> Vec<Value> {
    attention.items.iter().map(item).collect()
}

fn item(item: &Item) -> Value {
    let Item { kind, tally, has_more, detail, filter, command, .. } = item;
    let cause = match kind {
        ItemKind::DeadLetters { cause } => *cause,
        _ => None,
    };
    json!({
        "object": "attention",
        "kind": kind.as_str(),
        "reason": cause.map(view::reason),
        "title": item.title(),
        "count": tally.deliveries.to_string(),
        "has_more": has_more,
        "detail": detail,
        "command": format!("onramp-webhooks {command}"),
        "query": query::of(filter),
        "purchases": tally.purchases.to_string(),
        "unclear": tally.unclear.to_string(),
        "money": tally.money().collect::<Vec<_>>(),
        "since": tally.first.map(view::time),
        "until": tally.last.map(view::time),
        "newest": tally.newest.map(|id| id.to_string()),
    })
}
