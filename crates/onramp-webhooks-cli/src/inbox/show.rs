//! The command `onramp-webhooks inbox show`.

use std::io::IsTerminal;

use clap::Args;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{DeliveryId, HistoryEntry, Record, contradicted};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use super::reading::{failed, whole};
use super::view::{Shown, View, state_cell};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::{date_and_time, rfc3339};

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox show 1
  onramp-webhooks inbox show 1 --reveal
  onramp-webhooks inbox show 1 --raw > body.json";

/// Show a delivery and its body.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Show {
    /// The id of the delivery
    id: DeliveryId,
    /// Write only the exact bytes of the body, personal data included
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

impl Show {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let database = globals.required_database()?;
        let reading = database.open_for_reading(&globals.schema);
        let inbox = match self.raw || globals.reveal {
            // The reveal is recorded, if that is possible.
            true => match database.open(&globals.schema).await {
                Ok(inbox) => inbox,
                Err(_) => reading.await?,
            },
            false => reading.await?,
        };
        let record = whole(&*inbox, self.id).await?;
        if self.raw {
            let status = raw(&record, output)?;
            remember(&*inbox, &record).await;
            return Ok(status);
        }
        let providers = Providers::default();
        let shown = View::new(&providers, globals).of(&record);
        let first = contradicted(&*inbox, &record).await.map_err(failed)?.map(|first| first.id);
        let history = inbox.history(self.id).await.map_err(failed)?;
        match output.json {
            true => output.object(&json(&shown, first, &history, globals.reveal))?,
            false => {
                text(&shown, first, globals.reveal, output)?;
                write_history(&shown, &history, output)?;
                body_text(&shown, globals.reveal, output)?;
            }
        }
        if globals.reveal {
            remember(&*inbox, &record).await;
        }
        Ok(ExitStatus::Success)
    }
}

fn raw(record: &Record, output: &Output) -> Result<ExitStatus, CliError> {
    let Some(body) = &record.body else {
        return Err(CliError::Failed(format!("the body of delivery {} was removed", record.id)));
    };
    if std::io::stdout().is_terminal() {
        let refused = CliError::Refused("the bytes of a body could control the terminal".to_owned());
        return Err(refused.hint(format!("onramp-webhooks inbox show {} --raw > body", record.id)));
    }
    output.raw(body)?;
    Ok(ExitStatus::Success)
}

/// Records in the history that the personal data was seen. A database that can only be read does not prevent anyone from reading it.
async fn remember(inbox: &dyn Inbox, record: &Record) {
    let operator = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "command line".to_owned());
    if let Err(error) = inbox.revealed(SystemClock::default().now(), record.id, &operator).await {
        tracing::warn!(%error, "the reveal was not recorded in the history");
    }
}

/// Returns the text of an entry with what may be seen of it.
fn entry_text(shown: &Shown<'_>, entry: &HistoryEntry) -> String {
    shown.scrub(entry.text.as_deref().unwrap_or_default())
}

fn write_history(shown: &Shown<'_>, history: &[HistoryEntry], output: &Output) -> Result<(), CliError> {
    let mut table = Table::default();
    for entry in history {
        let times = if entry.times > 1 { format!("{} times", entry.times) } else { String::new() };
        let cause = entry.cause.map_or_else(String::new, |cause| cause.to_string());
        table.row([
            Cell::new(format!("  {}", date_and_time(entry.last_at, &output.zone))),
            Cell::new(entry.kind.as_str()),
            Cell::new(times),
            Cell::new(cause),
            Cell::new(entry_text(shown, entry)),
        ]);
    }
    table.write(output)
}

fn history_json(shown: &Shown<'_>, entry: &HistoryEntry) -> Value {
    json!({
        "kind": entry.kind.as_str(),
        "first_at": rfc3339(entry.first_at),
        "last_at": rfc3339(entry.last_at),
        "times": entry.times,
        "cause": entry.cause.map(|cause| cause.as_str()),
        "text": entry.text.as_ref().map(|_| entry_text(shown, entry)),
    })
}

fn json(shown: &Shown<'_>, first: Option<DeliveryId>, history: &[HistoryEntry], reveal: bool) -> Value {
    let mut object = shown.json();
    let body = json!({
        "key": shown.record.key.as_ref().map(|key| key.discriminator()),
        "contradicts_id": first.map(|first| first.to_string()),
        "body_bytes": shown.record.body.as_ref().map(|body| body.len()),
        "body": shown.body.as_ref().map(|body| body.text()),
        "body_is_cut": shown.body.as_ref().is_some_and(|body| body.is_cut()),
        "masked": !reveal,
        "history": history.iter().map(|entry| history_json(shown, entry)).collect::<Vec<_>>(),
    });
    if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
        object.extend(body);
    }
    object
}

fn text(shown: &Shown<'_>, first: Option<DeliveryId>, reveal: bool, output: &Output) -> Result<(), CliError> {
    let record = shown.record;
    let mut title = Table::default();
    title.row([
        Cell::new(format!("#{}", record.id)),
        state_cell(record),
        Cell::new(record.event_type.as_deref().unwrap_or("–")),
        Cell::new(shown.money()),
    ]);
    title.write(output)?;
    let moment = |time| date_and_time(time, &output.zone);
    let mut lines = vec![("received", moment(record.received_at))];
    lines.push(("endpoint", format!("{} ({})", record.endpoint, record.provider)));
    lines.extend(shown.subject.clone().map(|subject| ("about", subject)));
    lines.push(("attempts", record.attempts.to_string()));
    lines.extend((record.duplicates > 0).then(|| ("duplicates", record.duplicates.to_string())));
    lines.extend(record.is_synthetic().then(|| ("synthetic", "made by reconcile --repair".to_owned())));
    lines.extend(record.due_at.map(|due| ("due", moment(due))));
    lines.extend(record.settled_at.map(|settled| ("settled", moment(settled))));
    lines.extend(record.cause.map(|cause| ("cause", cause.to_string())));
    lines.extend(shown.note().map(|note| ("note", note)));
    lines.extend(first.map(|first| ("contradicts", format!("#{first}: onramp-webhooks inbox diff {}", record.id))));
    let resolution = record.resolution.as_deref().map(|note| shown.scrub(note)).unwrap_or_default();
    lines.extend(record.resolved_at.map(|time| ("resolved", format!("{} {resolution}", moment(time)))));
    lines.push(("body", body_line(shown, reveal)));
    for (name, value) in lines {
        output.line(&Line::new().text(format_args!("{name:<12}")).text(value))?;
    }
    Ok(())
}

fn body_line(shown: &Shown<'_>, reveal: bool) -> String {
    let Some(body) = &shown.record.body else { return "removed".to_owned() };
    let form = match &shown.body {
        Some(body) if body.text().is_empty() => ", not JSON",
        Some(body) if body.is_cut() => ", its beginning",
        _ => "",
    };
    let hidden = if reveal { "" } else { "; personal data is masked: --reveal shows it" };
    format!("{} bytes{form}{hidden}", body.len())
}

/// Writes the body. One that is not JSON is written only if it may be revealed.
fn body_text(shown: &Shown<'_>, reveal: bool, output: &Output) -> Result<(), CliError> {
    let indented = |line: &str| output.line(&Line::new().text("  ").text(line));
    let (Some(masked), Some(bytes)) = (&shown.body, &shown.record.body) else { return Ok(()) };
    if masked.text().is_empty() && reveal {
        let beginning = bytes.get(..MOST_SHOWN.min(bytes.len())).unwrap_or_default();
        return String::from_utf8_lossy(beginning).lines().try_for_each(indented);
    }
    masked.text().lines().try_for_each(indented)
}

/// Maximum number of bytes of a body that is not JSON.
const MOST_SHOWN: usize = 64 << 10;
