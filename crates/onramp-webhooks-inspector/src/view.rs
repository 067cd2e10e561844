//! Deliveries as JSON. Ids and amounts are strings, times are RFC 3339 with milliseconds.

use jiff::fmt::temporal::DateTimePrinter;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::inbox::{DeadCause, HistoryEntry, HistoryKind, Record};
use onramp_webhooks::masking::{MASK, Masked, masked, revealed};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use crate::tokens;

/// The texts of a delivery as a caller sees them.
pub(crate) struct Seen<'r> {
    record: &'r Record,
    body: Option<Masked>,
    reveals: bool,
}

impl<'r> Seen<'r> {
    /// Returns the masked view. The record needs its body, with which the other texts are masked.
    pub(crate) fn masked(record: &'r Record, providers: &Providers) -> Self {
        let body = record.body.as_ref().map(|body| masked(providers, &record.provider, body));
        Self { record, body, reveals: false }
    }

    /// Returns the view with personal data.
    fn revealed(record: &'r Record) -> Self {
        Self { record, body: record.body.as_deref().map(revealed), reveals: true }
    }

    /// Returns a text without masked values. Without its body, they are not known, so that the text is masked.
    fn scrubbed(&self, text: &str) -> String {
        match &self.body {
            _ if self.reveals => text.to_owned(),
            Some(body) => body.scrub(text),
            None => MASK.to_owned(),
        }
    }

    pub(crate) fn note(&self) -> Option<String> {
        self.record.note.as_deref().map(|note| self.scrubbed(note))
    }

    /// Returns the subject, unless it has a personal identifier: as a hash, which can be compared with those of guesses, or as it is masked
    /// in the body.
    pub(crate) fn subject(&self) -> Option<&'r str> {
        let subject = self.record.key.as_ref()?.subject();
        let id = subject.splitn(3, '/').nth(2).filter(|id| !id.starts_with('#'))?;
        let is_masked = self.body.as_ref().is_some_and(|body| body.scrub(id) != id);
        (!is_masked).then_some(subject)
    }

    /// Returns the text of the body. One that is neither JSON nor a form is shown only when it is revealed.
    fn text(&self) -> Option<String> {
        match self.body.as_ref()?.text() {
            "" if self.reveals => Some(String::from_utf8_lossy(self.record.body.as_deref()?).into_owned()),
            "" => None,
            text => Some(text.to_owned()),
        }
    }
}

/// Returns a delivery without its body, masked. The record needs its body, from which the purchase is read.
pub(crate) fn row(record: &Record, providers: &Providers) -> Value {
    delivery(&Seen::masked(record, providers), providers)
}

/// Returns a delivery with its history and its body. `reveals` shows personal data.
pub(crate) fn whole(record: &Record, history: &[HistoryEntry], providers: &Providers, reveals: bool) -> Value {
    let seen = if reveals { Seen::revealed(record) } else { Seen::masked(record, providers) };
    let mut view = delivery(&seen, providers);
    let text = seen.text();
    let body = json!({
        "lines": text.as_deref().map(tokens::lines),
        "cut": text.as_deref().is_some_and(tokens::is_cut) || seen.body.as_ref().is_some_and(Masked::is_cut),
        "bytes": record.body.as_ref().map(|body| body.len().to_string()),
        "sha256": record.fingerprint.to_string(),
        "revealed": reveals,
    });
    if let Value::Object(members) = &mut view {
        members.insert("history".to_owned(), history.iter().map(|entry| entry_of(entry, &seen)).collect());
        members.insert("body".to_owned(), body);
    }
    view
}

fn entry_of(entry: &HistoryEntry, seen: &Seen<'_>) -> Value {
    let text = entry.text.as_deref().map(|text| match entry.kind {
        HistoryKind::Revealed => text.to_owned(),
        _ => seen.scrubbed(text),
    });
    json!({
        "kind": entry.kind.as_str(),
        "cause": entry.cause.map(DeadCause::as_str),
        "first_at": time(entry.first_at),
        "last_at": time(entry.last_at),
        "times": entry.times.to_string(),
        "text": text,
    })
}

fn delivery(seen: &Seen<'_>, providers: &Providers) -> Value {
    let Seen { record, reveals, .. } = *seen;
    let subject = seen.subject();
    let mut parts = record.key.as_ref().map_or("", |key| key.subject()).splitn(3, '/').skip(1);
    let (kind, id) = (parts.next(), parts.next());
    let event = record.body.as_ref().and_then(|body| providers.read(&record.provider, body).ok());
    let purchase = event.and_then(|event| event.completed_purchase().ok().flatten());
    json!({
        "object": "delivery",
        "id": record.id.to_string(),
        "endpoint": &*record.endpoint,
        "provider": record.provider.to_string(),
        "type": record.event_type,
        "subject": subject,
        "about": subject.and(id),
        "about_kind": kind,
        "state": record.state.as_str(),
        "received_at": time(record.received_at),
        "due_at": record.due_at.map(time),
        "settled_at": record.settled_at.map(time),
        "reason": record.cause.map(DeadCause::code),
        "cause": record.cause.map(DeadCause::as_str),
        "unknown_result": record.has_unknown_result(),
        "attempts": record.attempts,
        "duplicates": record.duplicates.to_string(),
        "note": seen.note(),
        "resolved_at": record.resolved_at.map(time),
        "resolution": record.resolution.as_deref().map(|note| seen.scrubbed(note)),
        "synthetic": record.is_synthetic(),
        "purchase": purchase.as_ref().map(|purchase| money(purchase, reveals)),
    })
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
