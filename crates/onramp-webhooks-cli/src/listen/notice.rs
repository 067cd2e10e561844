//! The live events, as text and as JSON.

use std::time::Duration;

use anstyle::Style;
use jiff::tz::TimeZone;
use onramp_webhooks::Money;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Recorded, Settled};
use onramp_webhooks::provider::Providers;
use serde::Serialize;
use serde_json::{Value, json};

use super::describe::Described;
use crate::output::{GREEN, RED, YELLOW};
use crate::text::{Line, shortened};
use crate::time::{rfc3339, time_of_day};

/// The number of characters of a note that a line shows.
const NOTE: usize = 200;

/// A live event.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// A request was answered. The status is `None` if its sender has gone.
    Answered { time: Timestamp, received: Option<Received>, status: Option<u16>, took: Duration },
    /// A lease of a delivery ended.
    Settled { time: Timestamp, id: DeliveryId, outcome: Settled, attempt: Option<Attempt> },
    /// So many events were left out, because there were too many for standard output.
    LeftOut(u64),
}

/// The delivery of a request. The result is `None` if it could not be recorded.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) event: Box<Described>,
    pub(super) recorded: Option<Recorded>,
}

/// An attempt of the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) number: u32,
    /// The status of the response, if the delivery was forwarded and there was one.
    pub(super) status: Option<u16>,
    pub(super) took: Duration,
}

/// The state of a delivery, in words.
struct Outcome {
    glyph: &'static str,
    word: &'static str,
    style: Style,
}

impl Outcome {
    const fn new(glyph: &'static str, word: &'static str, style: Style) -> Self {
        Self { glyph, word, style }
    }

    fn of_received(received: Option<&Received>) -> Self {
        let Some(Received { event, recorded }) = received else { return Self::new("✗", "refused", RED) };
        match recorded {
            Some(Recorded::New(_)) if event.unreadable.is_some() => Self::new("?", "quarantined", RED),
            Some(Recorded::New(_)) => Self::new("○", "received", Style::new()),
            Some(Recorded::Duplicate { .. }) => Self::new("◌", "duplicate", Style::new()),
            Some(Recorded::Conflict { .. }) => Self::new("≠", "conflict", RED),
            Some(_) => Self::new("○", "spilled", YELLOW),
            None => Self::new("✗", "not_recorded", RED),
        }
    }

    fn of_settled(outcome: &Settled) -> Self {
        match outcome {
            Settled::Handled => Self::new("✓", "handled", GREEN),
            Settled::Retry { .. } => Self::new("↻", "retrying", YELLOW),
            Settled::Parked { .. } => Self::new("‖", "parked", YELLOW),
            Settled::Dead { .. } => Self::new("✗", "dead", RED),
            _ => Self::new("–", "released", Style::new()),
        }
    }
}

impl Notice {
    /// Reads what the event is about.
    pub(super) fn read(&mut self, providers: &Providers) {
        if let Self::Answered { received: Some(received), .. } = self {
            received.event.read(providers);
        }
    }

    /// Returns the event as a line.
    pub(super) fn line(&self, zone: &TimeZone) -> Line {
        match self {
            Self::Answered { time, received, status, took } => answered(begun(*time, zone), received.as_ref(), *status, *took),
            Self::Settled { time, id, outcome, attempt } => {
                let shown = Outcome::of_settled(outcome);
                let word = if shown.word == "dead" { "dead letter" } else { shown.word };
                let line = begun(*time, zone).text(format_args!("{:<6}  ", format!("#{id}")));
                let line = line.styled(shown.style, format_args!("{} {word:<16}", shown.glyph)).text("  ");
                settled(line, *time, outcome, attempt.as_ref())
            }
            Self::LeftOut(number) => {
                Line::new().styled(YELLOW, format_args!("{number} lines left out: too many for standard output"))
            }
        }
    }

    /// Returns the event as a JSON object.
    pub(super) fn json(&self) -> Json<'_> {
        Json::Other(match self {
            Self::Answered { time, received, status, took } => {
                return Json::Request(Box::new(Request::new(*time, received.as_ref(), *status, *took)));
            }
            Self::Settled { time, id, outcome, attempt } => json!({
                "object": "listen.attempt",
                "time": rfc3339(*time),
                "id": id.to_string(),
                "outcome": Outcome::of_settled(outcome).word,
                "attempt": attempt.as_ref().map(|attempt| attempt.number),
                "status": attempt.as_ref().and_then(|attempt| attempt.status),
                "took_ms": attempt.as_ref().map(|attempt| millis(attempt.took)),
                "due_at": due_at(outcome).map(rfc3339),
                "cause": outcome.cause().map(|cause| cause.as_str()),
                "note": note(outcome),
            }),
            Self::LeftOut(number) => json!({ "object": "listen.left_out", "lines": number }),
        })
    }
}

/// A live event as a JSON object.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Json<'a> {
    /// Of a request, of which there may be many.
    Request(Box<Request<'a>>),
    Other(Value),
}

/// An answered request, with its members in the order of all other objects.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    bought: Option<Sum<'a>>,
    endpoint: Option<&'a str>,
    first_id: Option<String>,
    id: Option<String>,
    object: &'static str,
    order: Option<&'a str>,
    outcome: &'static str,
    paid: Option<Sum<'a>>,
    reason: Option<&'a str>,
    status: Option<u16>,
    time: String,
    took_ms: f64,
    r#type: Option<&'a str>,
}

#[derive(Serialize)]
struct Sum<'a> {
    amount: &'a str,
    currency: &'a str,
}

impl<'a> Sum<'a> {
    fn of(money: &'a Money) -> Self {
        Self { amount: money.amount.as_str(), currency: money.currency.as_str() }
    }
}

impl<'a> Request<'a> {
    fn new(time: Timestamp, received: Option<&'a Received>, status: Option<u16>, took: Duration) -> Self {
        let event = received.map(|received| &received.event);
        Self {
            bought: event.and_then(|event| event.bought.as_ref()).map(Sum::of),
            endpoint: event.map(|event| &*event.endpoint),
            first_id: received.and_then(Received::first).map(|id| id.to_string()),
            id: received.and_then(Received::id).map(|id| id.to_string()),
            object: "listen.request",
            order: event.and_then(|event| event.order.as_deref()),
            outcome: Outcome::of_received(received).word,
            paid: event.and_then(|event| event.paid.as_ref()).map(Sum::of),
            reason: event.and_then(|event| event.unreadable.as_deref()),
            status,
            time: rfc3339(time),
            took_ms: millis(took),
            r#type: event.and_then(|event| event.event_type.as_deref()),
        }
    }
}

impl Received {
    /// Returns the delivery that was recorded, or the first one if this is a duplicate of it.
    fn id(&self) -> Option<DeliveryId> {
        match self.recorded? {
            Recorded::New(id) | Recorded::Duplicate { first: id, .. } | Recorded::Conflict { kept: id, .. } => Some(id),
            _ => None,
        }
    }

    /// Returns the delivery that a conflict contradicts.
    fn first(&self) -> Option<DeliveryId> {
        match self.recorded? {
            Recorded::Conflict { first, .. } => Some(first),
            _ => None,
        }
    }
}

fn begun(time: Timestamp, zone: &TimeZone) -> Line {
    Line::new().text(time_of_day(time, zone)).text("  ")
}

fn answered(line: Line, received: Option<&Received>, status: Option<u16>, took: Duration) -> Line {
    let id = received.and_then(Received::id).map_or_else(String::new, |id| format!("#{id}"));
    let shown = Outcome::of_received(received);
    let word = match received {
        Some(received) if shown.word == "received" => received.event.event_type.as_deref().unwrap_or("event"),
        _ => shown.word,
    };
    let word = if word == "not_recorded" { "not recorded" } else { word };
    let mut line = line.text(format_args!("{id:<6}  ")).styled(shown.style, format_args!("{} {word:<16}", shown.glyph));
    if let Some(Received { event, recorded }) = received {
        if let Some(Recorded::Conflict { first, .. }) = recorded {
            line = line.text(format_args!("  with #{first}"));
        }
        line = event.order.iter().fold(line, |line, order| line.text(format_args!("  {}", shortened(order))));
        line = event.paid.iter().fold(line, |line, paid| line.text(format_args!("  {paid}")));
        line = event.bought.iter().fold(line, |line, bought| line.text(format_args!(" for {bought}")));
        line = event.unreadable.iter().fold(line, |line, reason| line.text(format_args!("  {}", cut(reason))));
    }
    let answer = match status {
        Some(200) => "acknowledged".to_owned(),
        Some(status) => format!("answered {status}"),
        None => "its sender has gone".to_owned(),
    };
    line.text(format_args!("  {answer} in {} ms", took.as_millis()))
}

fn settled(line: Line, time: Timestamp, outcome: &Settled, attempt: Option<&Attempt>) -> Line {
    let note = note(outcome).map(cut);
    let line = match (note, attempt) {
        (Some(note), _) => line.text(note),
        (None, Some(Attempt { status: Some(status), took, .. })) => {
            line.text(format_args!("{status} in {} ms", took.as_millis()))
        }
        (None, _) => line,
    };
    let in_seconds = |at: Timestamp| at.since(time).as_secs_f64();
    match outcome {
        Settled::Retry { at, .. } => {
            let next = attempt.map_or(0, |attempt| attempt.number).saturating_add(1);
            line.text(format_args!(", attempt {next} in {:.1} s", in_seconds(*at)))
        }
        Settled::Parked { until, .. } => line.text(format_args!(", again in {:.1} s", in_seconds(*until))),
        Settled::Dead { cause, .. } => line.text(format_args!(", {cause}")),
        _ => line,
    }
}

const fn due_at(outcome: &Settled) -> Option<Timestamp> {
    match outcome {
        Settled::Retry { at: due, .. } | Settled::Parked { until: due, .. } => Some(*due),
        _ => None,
    }
}

fn note(outcome: &Settled) -> Option<&str> {
    match outcome {
        Settled::Retry { error: note, .. } | Settled::Parked { reason: note, .. } | Settled::Dead { error: note, .. } => {
            Some(note)
        }
        _ => None,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

fn cut(note: &str) -> String {
    note.chars().take(NOTE).collect()
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::inbox::DeadCause;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_767_355_200_113);

    fn plain(notice: &Notice) -> String {
        anstream::adapter::strip_str(notice.line(&TimeZone::UTC).as_str()).to_string()
    }

    fn received(recorded: Recorded, status: u16) -> Notice {
        let status = Some(status);
        let event = Described {
            endpoint: "wert".into(),
            event_type: Some("order_complete".to_owned()),
            order: Some("01M7C0AAAAAAAAAAAAAA27ZG82".to_owned()),
            paid: Some(Money::new("49.00".parse().unwrap(), "EUR".into())),
            bought: Some(Money::new("0.01672".parse().unwrap(), "ETH".into())),
            ..Described::default()
        };
        let took = Duration::from_micros(3_200);
        Notice::Answered {
            time: NOON,
            received: Some(Received { event: Box::new(event), recorded: Some(recorded) }),
            status,
            took,
        }
    }

    fn settled(outcome: Settled, status: Option<u16>) -> Notice {
        let attempt = Some(Attempt { number: 1, status, took: Duration::from_millis(12) });
        Notice::Settled { time: NOON, id: DeliveryId::from_i64(215), outcome, attempt }
    }

    #[test]
    fn lines_have_the_time_the_id_and_a_word() {
        let id = DeliveryId::from_i64;
        let in_700_ms = NOON.after(Duration::from_millis(700));
        let error = || r#"500 {"error":"no such user"}"#.to_owned();
        let dead = Settled::Dead { cause: DeadCause::RefusedByHandler, error: "410".to_owned() };
        for (notice, line) in [
            (
                received(Recorded::New(id(215)), 200),
                "12:00:00.113  #215    ○ order_complete    01M7C0…27ZG82  49.00 EUR for 0.01672 ETH  acknowledged in 3 ms",
            ),
            (
                received(Recorded::Conflict { first: id(7), kept: id(8) }, 200),
                "12:00:00.113  #8      ≠ conflict          with #7  01M7C0…27ZG82  49.00 EUR for 0.01672 ETH  acknowledged in 3 ms",
            ),
            (settled(Settled::Handled, Some(204)), "12:00:00.113  #215    ✓ handled           204 in 12 ms"),
            (
                settled(Settled::Retry { at: in_700_ms, error: error() }, Some(500)),
                r#"12:00:00.113  #215    ↻ retrying          500 {"error":"no such user"}, attempt 2 in 0.7 s"#,
            ),
            (
                settled(Settled::Parked { until: in_700_ms, reason: "425".to_owned() }, Some(425)),
                "12:00:00.113  #215    ‖ parked            425, again in 0.7 s",
            ),
            (settled(dead, Some(410)), "12:00:00.113  #215    ✗ dead letter       410, refused by the handler"),
            (
                Notice::Answered { time: NOON, received: None, status: Some(404), took: Duration::ZERO },
                "12:00:00.113          ✗ refused           answered 404 in 0 ms",
            ),
        ] {
            assert_eq!(plain(&notice), line);
        }
    }

    #[test]
    fn json_has_strings_for_ids_and_money() {
        let json = serde_json::to_value(received(Recorded::New(DeliveryId::from_i64(215)), 200).json()).unwrap();
        assert_eq!(
            (&json["object"], &json["id"], &json["outcome"]),
            (&"listen.request".into(), &"215".into(), &"received".into())
        );
        assert_eq!(json["paid"], json!({ "amount": "49.00", "currency": "EUR" }));
        assert_eq!((&json["time"], &json["took_ms"]), (&"2026-01-02T12:00:00.113Z".into(), &3.2.into()));
        let json = serde_json::to_value(settled(Settled::Retry { at: NOON, error: "503".to_owned() }, Some(503)).json()).unwrap();
        assert_eq!(
            (&json["attempt"], &json["due_at"], &json["note"]),
            (&1.into(), &"2026-01-02T12:00:00.113Z".into(), &"503".into())
        );
    }
}
