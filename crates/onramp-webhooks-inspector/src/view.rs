//! Deliveries as JSON. Ids and amounts are strings, times are RFC 3339 with milliseconds.

use jiff::fmt::temporal::DateTimePrinter;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::inbox::{DeadCause, Record};
use onramp_webhooks::masking::{MASK, Masked, masked, revealed};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use crate::tokens;

/// Returns a delivery without its body, masked. The record needs its body, from which the purchase is read.
pub(crate) fn row(record: &Record, providers: &Providers) -> Value {
    let shown = record.body.as_ref().map(|body| masked(providers, &record.provider, body));
    delivery(record, providers, shown.as_ref(), false)
}

/// Returns a delivery with its body. `reveals` shows personal data.
pub(crate) fn whole(record: &Record, providers: &Providers, reveals: bool) -> Value {
    let shown = record.body.as_ref().map(|body| match reveals {
        true => revealed(body),
        false => masked(providers, &record.provider, body),
    });
    let mut view = delivery(record, providers, shown.as_ref(), reveals);
    let text = text(record, shown.as_ref(), reveals);
    let body = json!({
        "lines": text.as_deref().map(tokens::lines),
        "cut": text.as_deref().is_some_and(tokens::is_cut) || shown.is_some_and(|shown| shown.is_cut()),
        "bytes": record.body.as_ref().map(|body| body.len().to_string()),
        "sha256": record.fingerprint.to_string(),
        "revealed": reveals,
    });
    if let Value::Object(members) = &mut view {
        members.insert("body".to_owned(), body);
    }
    view
}

/// Returns the text of a body. A body that is neither JSON nor a form is shown only when it is revealed.
fn text(record: &Record, shown: Option<&Masked>, reveals: bool) -> Option<String> {
    match shown?.text() {
        "" if reveals => Some(String::from_utf8_lossy(record.body.as_deref()?).into_owned()),
        "" => None,
        text => Some(text.to_owned()),
    }
}

fn delivery(record: &Record, providers: &Providers, shown: Option<&Masked>, reveals: bool) -> Value {
    let (kind, about) = subject(record);
    let event = record.body.as_ref().and_then(|body| providers.read(&record.provider, body).ok());
    let purchase = event.and_then(|event| event.completed_purchase().ok().flatten());
    json!({
        "object": "delivery",
        "id": record.id.to_string(),
        "endpoint": &*record.endpoint,
        "provider": record.provider.to_string(),
        "type": record.event_type,
        "subject": record.key.as_ref().map(|key| key.subject()),
        "about": about,
        "about_kind": kind,
        "state": record.state.as_str(),
        "received_at": time(record.received_at),
        "due_at": record.due_at.map(time),
        "settled_at": record.settled_at.map(time),
        "reason": record.cause.map(|cause| cause.as_str()),
        "attempts": record.attempts,
        "duplicates": record.duplicates.to_string(),
        "note": record.note.as_deref().map(|note| scrubbed(note, shown, reveals)),
        "resolved_at": record.resolved_at.map(time),
        "resolution": record.resolution,
        "synthetic": record.is_synthetic(),
        "purchase": purchase.as_ref().map(|purchase| money(purchase, reveals)),
    })
}

/// Returns the kind and the identifier that a delivery is about. Personal identifiers are hashed in keys.
fn subject(record: &Record) -> (Option<&str>, Option<&str>) {
    let mut parts = record.key.as_ref().map_or("", |key| key.subject()).splitn(3, '/').skip(1);
    (parts.next(), parts.next().filter(|id| !id.starts_with('#')))
}

/// Returns a note without masked values. Without its body, the note cannot be scrubbed, so that it is masked.
fn scrubbed(note: &str, shown: Option<&Masked>, reveals: bool) -> String {
    match shown {
        _ if reveals => note.to_owned(),
        Some(shown) => shown.scrub(note),
        None => MASK.to_owned(),
    }
}

fn money(purchase: &CompletedPurchase, reveals: bool) -> Value {
    let CompletedPurchase { fiat, crypto, customer, .. } = purchase;
    let customer = customer.primary().map(|customer| if reveals { customer } else { MASK });
    json!({
        "fiat": { "amount": fiat.amount.to_string(), "currency": fiat.currency.as_str() },
        "crypto": { "amount": crypto.amount.to_string(), "currency": crypto.currency.as_str() },
        "customer": customer,
    })
}

/// Returns the short word for a cause, as on the command line.
pub(crate) const fn reason(cause: DeadCause) -> &'static str {
    match cause {
        DeadCause::AttemptsUsedUp => "exhausted",
        DeadCause::RefusedByHandler => "handler",
        DeadCause::RefusedByCheck => "check",
        DeadCause::TransactionEnded => "transaction",
        DeadCause::ProcessKilled => "crash",
        DeadCause::Unreadable => "unreadable",
        _ => "unknown",
    }
}

/// Returns a time in RFC 3339, in UTC and with milliseconds.
pub(crate) fn time(moment: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
    DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(time(Timestamp::from_millis(1_700_000_000_000)), "2023-11-14T22:13:20.000Z");
        assert_eq!(time(Timestamp::from_millis(-1)), "1969-12-31T23:59:59.999Z");
    }
}
