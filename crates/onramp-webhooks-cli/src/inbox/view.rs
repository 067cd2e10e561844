//! Deliveries as rows, as text and as JSON objects.

use anstyle::Style;
use onramp_webhooks::Money;
use onramp_webhooks::inbox::{Record, State, Tally, error_group};
use onramp_webhooks::masking::{Masked, masked, revealed};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use crate::exit::CliError;
use crate::globals::Globals;
use crate::output::{GREEN, Output, RED, YELLOW};
use crate::table::{Cell, Table};
use crate::text::shortened;
use crate::time::{date_and_time, rfc3339};

/// The view of an operator: with personal data, or without.
pub(crate) struct View<'a> {
    pub(super) providers: &'a Providers,
    pub(super) reveal: bool,
}

impl<'a> View<'a> {
    pub(crate) const fn new(providers: &'a Providers, globals: &Globals) -> Self {
        Self { providers, reveal: globals.reveal }
    }

    /// Returns a delivery with what may be seen of it.
    pub(crate) fn of<'r>(&self, record: &'r Record) -> Shown<'r> {
        let body = record.body.as_ref().map(|body| match self.reveal {
            true => revealed(body),
            false => masked(self.providers, &record.provider, body),
        });
        let event = record.body.as_ref().and_then(|body| self.providers.read(&record.provider, body).ok());
        let purchase = event.and_then(|event| event.completed_purchase().ok().flatten());
        let subject = record.key.as_ref().map(|key| key.subject().to_owned());
        let subject = match &body {
            Some(body) => subject.map(|subject| body.scrub(&subject)),
            None => subject,
        };
        Shown {
            record,
            reveal: self.reveal,
            subject,
            paid: purchase.as_ref().map(|purchase| purchase.fiat.clone()),
            bought: purchase.map(|purchase| purchase.crypto),
            body,
        }
    }

    /// Writes deliveries as rows, or as one object each.
    pub(crate) fn list(&self, records: &[Record], output: &Output) -> Result<(), CliError> {
        if output.json {
            return records.iter().try_for_each(|record| output.object(&self.of(record).json()));
        }
        let mut table = Table::default();
        records.iter().for_each(|record| table.row(self.of(record).cells(output)));
        table.write(output)
    }
}

/// A delivery with what may be seen of it.
pub(crate) struct Shown<'r> {
    pub(super) record: &'r Record,
    reveal: bool,
    pub(crate) subject: Option<String>,
    pub(super) paid: Option<Money>,
    pub(super) bought: Option<Money>,
    pub(super) body: Option<Masked>,
}

impl Shown<'_> {
    /// Returns the note.
    pub(crate) fn note(&self) -> Option<String> {
        self.record.note.as_deref().map(|note| self.scrub(note))
    }

    /// Returns a text of the delivery without what is masked in its body. If there is no body that says what that is, the text loses its
    /// numbers, ids and quotations.
    pub(super) fn scrub(&self, text: &str) -> String {
        match &self.body {
            _ if self.reveal => text.to_owned(),
            Some(body) if !body.text().is_empty() => body.scrub(text),
            _ => error_group(Some(text)),
        }
    }

    /// Returns the id of the order, the transaction or the click.
    pub(super) fn about(&self) -> Option<&str> {
        self.subject.as_deref()?.splitn(3, '/').nth(2)
    }

    /// Returns the paid and the bought amount in words; empty for events that are no purchase.
    pub(crate) fn money(&self) -> String {
        let bought = self.bought.as_ref().map_or_else(String::new, |bought| format!(" for {bought}"));
        self.paid.as_ref().map_or_else(String::new, |paid| format!("{paid}{bought}"))
    }

    fn cells(&self, output: &Output) -> Vec<Cell> {
        let record = self.record;
        let about = self.about().unwrap_or_default();
        vec![
            Cell::new(format!("#{}", record.id)),
            state_cell(record),
            Cell::new(date_and_time(record.received_at, &output.zone)),
            Cell::new(record.event_type.as_deref().unwrap_or("–")),
            Cell::new(if output.width().is_some() { shortened(about) } else { about.to_owned() }),
            Cell::new(self.money()),
            Cell::new(self.note().unwrap_or_default()),
        ]
    }

    /// Returns the object `delivery` without the body.
    pub(super) fn json(&self) -> Value {
        let record = self.record;
        json!({
            "object": "delivery",
            "id": record.id.to_string(),
            "state": record.state.as_str(),
            "endpoint": &*record.endpoint,
            "provider": record.provider.as_str(),
            "type": record.event_type,
            "subject": self.subject,
            "received_at": rfc3339(record.received_at),
            "due_at": record.due_at.map(rfc3339),
            "settled_at": record.settled_at.map(rfc3339),
            "cause": record.cause.map(|cause| cause.as_str()),
            "attempts": record.attempts,
            "duplicates": record.duplicates,
            "synthetic": record.is_synthetic(),
            "paid": self.paid.as_ref().map(money_json),
            "bought": self.bought.as_ref().map(money_json),
            "has_unknown_result": record.has_unknown_result(),
            "note": self.note(),
            "resolved_at": record.resolved_at.map(rfc3339),
            "resolution": record.resolution.as_deref().map(|note| self.scrub(note)),
        })
    }
}

/// Returns an amount as JSON.
pub(crate) fn money_json(money: &Money) -> Value {
    json!({ "amount": money.amount.as_str(), "currency": money.currency.as_str() })
}

/// Returns a number of deliveries in words.
pub(crate) fn deliveries(number: u64) -> String {
    format!("{number} {}", if number == 1 { "delivery" } else { "deliveries" })
}

/// Returns the sums of completed purchases in words, and the number of deliveries whose money is not known; empty if there is neither.
pub(crate) fn sums(tally: &Tally) -> String {
    let unclear = (tally.unclear > 0).then(|| format!("{} unclear", tally.unclear));
    tally.money().chain(unclear).collect::<Vec<_>>().join(", ")
}

/// Returns the same as a part of a sentence.
pub(crate) fn purchases(tally: &Tally) -> String {
    let label = if tally.purchases > 0 { "completed purchases: " } else { "" };
    format!("{label}{}", sums(tally))
}

/// Returns the state of a delivery as a glyph and a word.
pub(crate) fn state_cell(record: &Record) -> Cell {
    let (glyph, word, style) = state(record.state);
    match record.resolved_at {
        Some(_) => Cell::new(format!("{glyph} {word}, resolved")),
        None if record.has_unknown_result() => Cell::styled(style, format!("{glyph} {word}, result unknown")),
        None => Cell::styled(style, format!("{glyph} {word}")),
    }
}

/// Returns the glyph, the word and the style of a state.
pub(super) const fn state(state: State) -> (&'static str, &'static str, Style) {
    match state {
        State::Pending => ("○", "pending", Style::new()),
        State::Leased => ("▸", "leased", Style::new()),
        State::Retrying => ("↻", "retrying", YELLOW),
        State::Parked => ("‖", "parked", YELLOW),
        State::Handled => ("✓", "handled", GREEN),
        State::Dead => ("✗", "dead letter", RED),
        State::Quarantined => ("?", "quarantined", RED),
        State::Conflict => ("≠", "conflict", RED),
        _ => ("–", "unknown", YELLOW),
    }
}
