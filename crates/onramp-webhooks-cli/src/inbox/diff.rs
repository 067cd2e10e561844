//! The command `onramp-webhooks inbox diff`.

use clap::Args;
use onramp_webhooks::inbox::{DeliveryId, Record, State, contradicted};
use onramp_webhooks::masking::{Difference, differences};
use onramp_webhooks::provider::Providers;
use serde_json::{Value, json};

use super::reading::{failed, whole};
use super::view::{View, state};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::{BOLD, Output};
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::date_and_time;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox diff 4
  onramp-webhooks inbox diff 4 --reveal";

/// Compare a conflict with the first delivery of its event: show the members that differ.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// The id of the conflict
    id: DeliveryId,
}

impl Diff {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let conflict = whole(&*inbox, self.id).await?;
        let Some(first) = contradicted(&*inbox, &conflict).await.map_err(failed)? else {
            let error = CliError::Failed(format!("delivery {} contradicts none that is kept", self.id));
            return Err(error.hint("onramp-webhooks inbox list --state conflict lists conflicts"));
        };
        let (Some(before), Some(after)) = (&first.body, &conflict.body) else {
            return Err(CliError::Failed("one of the two bodies was removed".to_owned()));
        };
        let providers = Providers::default();
        let found = differences(&providers, &conflict.provider, before, after, globals.reveal);
        let view = View::new(&providers, globals);
        match output.json {
            true => output.object(&object(&first, &conflict, found.as_deref()))?,
            false => text(&first, &conflict, found.as_deref(), &view, output)?,
        }
        Ok(ExitStatus::Success)
    }
}

fn object(first: &Record, conflict: &Record, found: Option<&[Difference]>) -> Value {
    let row = |it: &Difference| json!({ "path": it.path, "first": it.first, "second": it.second });
    json!({
        "object": "diff",
        "id": conflict.id.to_string(),
        "state": conflict.state.as_str(),
        "first_id": first.id.to_string(),
        "first_state": first.state.as_str(),
        "differences": found.map(|found| found.iter().map(row).collect::<Vec<_>>()),
    })
}

fn text(
    first: &Record,
    conflict: &Record,
    found: Option<&[Difference]>,
    view: &View<'_>,
    output: &Output,
) -> Result<(), CliError> {
    let mut table = Table::default();
    let column = |record: &Record| {
        let (glyph, word, _) = state(record.state);
        format!("#{} {glyph} {word}", record.id)
    };
    let arrival = |record: &Record| date_and_time(record.received_at, &output.zone);
    table.row([Cell::new("delivery"), Cell::styled(BOLD, column(first)), Cell::styled(BOLD, column(conflict))]);
    table.row([Cell::new("received"), Cell::new(arrival(first)), Cell::new(arrival(conflict))]);
    table.row([Cell::new("paid"), Cell::new(view.of(first).money()), Cell::new(view.of(conflict).money())]);
    let value = |value: &Option<String>| Cell::new(value.as_deref().unwrap_or("–"));
    for difference in found.unwrap_or_default() {
        table.row([Cell::new(&difference.path), value(&difference.first), value(&difference.second)]);
    }
    table.write(output)?;
    match found {
        None => output.note(&Line::new().text("the bodies cannot be compared member by member; see inbox show ID --raw")),
        Some([]) => output.note(&Line::new().text("no member differs: the same content arrived again later")),
        Some(_) => {}
    }
    for next in next_steps(first, conflict) {
        output.note(&Line::new().text("  → ").styled(BOLD, next));
    }
    Ok(())
}

/// Returns the commands that end a conflict.
fn next_steps(first: &Record, conflict: &Record) -> Vec<String> {
    if conflict.state != State::Conflict || conflict.resolved_at.is_some() {
        return Vec::new();
    }
    let keep = if first.state == State::Handled { "the first was right" } else { "the first is right" };
    vec![
        format!("onramp-webhooks inbox resolve {} --note '{keep}'", conflict.id),
        format!("onramp-webhooks inbox replay {} --even-conflicts   (the handler gets the second one, too)", conflict.id),
    ]
}
