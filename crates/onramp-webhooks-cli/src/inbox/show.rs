//! The command `onramp-webhooks inbox show`.

use std::io::IsTerminal;

use clap::Args;
use onramp_webhooks::inbox::{DeliveryId, Record, contradicted};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use super::reading::{failed, whole};
use super::view::{Shown, View, state_cell};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::date_and_time;

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
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let record = whole(&*inbox, self.id).await?;
        if self.raw {
            return raw(&record, output);
        }
        let providers = Providers::default();
        let shown = View::new(&providers, globals).of(&record);
        let first = contradicted(&*inbox, &record).await.map_err(failed)?.map(|first| first.id);
        match output.json {
            true => output.object(&json(&shown, first, globals.reveal))?,
            false => text(&shown, first, globals.reveal, output)?,
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

fn json(shown: &Shown<'_>, first: Option<DeliveryId>, reveal: bool) -> Value {
    let mut object = shown.json();
    let body = json!({
        "key": shown.record.key.as_ref().map(|key| key.discriminator()),
        "contradicts_id": first.map(|first| first.to_string()),
        "body_bytes": shown.record.body.as_ref().map(|body| body.len()),
        "body": shown.body.as_ref().map(|body| body.text()),
        "body_is_cut": shown.body.as_ref().is_some_and(|body| body.is_cut()),
        "masked": !reveal,
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
    lines.extend(shown.note.clone().map(|note| ("note", note)));
    lines.extend(first.map(|first| ("contradicts", format!("#{first}: onramp-webhooks inbox diff {}", record.id))));
    let resolution = shown.resolution.as_deref().unwrap_or_default();
    lines.extend(record.resolved_at.map(|time| ("resolved", format!("{} {resolution}", moment(time)))));
    lines.push(("body", body_line(shown, reveal)));
    for (name, value) in lines {
        output.line(&Line::new().text(format_args!("{name:<12}")).text(value))?;
    }
    body_text(shown, reveal, output)
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
