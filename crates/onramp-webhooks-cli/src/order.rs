//! The command `onramp-webhooks order`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Filter, Record, list_all};
use onramp_webhooks::provider::Providers;

use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::inbox::reading::failed;
use crate::inbox::view::{View, state_cell};
use crate::output::{BOLD, Output};
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::{date_and_time, in_words};

const EXAMPLES: &str = "Examples:
  onramp-webhooks order show 01M7BZ4Q0EXAMPLE0000WHBPVM";

const SHOW_EXAMPLES: &str = "Examples:
  onramp-webhooks order show 01M7BZ4Q0EXAMPLE0000WHBPVM
  onramp-webhooks order show 01M7BZ4Q0EXAMPLE0000WHBPVM --json";

/// Look at an order.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Order {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "get")]
    Show(Show),
}

/// Show all deliveries about an order, in the sequence of their arrival.
#[derive(Args)]
#[command(after_help = SHOW_EXAMPLES)]
struct Show {
    /// The id of the order, the uuid of a purchase, or a transaction
    id: String,
}

impl Order {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        match self.command {
            Command::Show(show) => show.run(globals, output).await,
        }
    }
}

impl Show {
    async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let about = |id: &str| Filter::all().about(id).oldest_first().with_bodies();
        let mut records = list_all(&*inbox, about(&self.id)).await.map_err(failed)?;
        let lower = self.id.to_ascii_lowercase();
        if lower != self.id {
            // Uuids are kept in lower case.
            records.extend(list_all(&*inbox, about(&lower)).await.map_err(failed)?);
        }
        if records.is_empty() {
            let error = CliError::Failed(format!("there is no delivery about {}", self.id));
            return Err(error.hint("onramp-webhooks inbox find searches the bodies, too, such as for a customer"));
        }
        let providers = Providers::default();
        let view = View::new(&providers, globals);
        if output.json {
            view.list(&records, output)?;
            return Ok(ExitStatus::Success);
        }
        let mut orders: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in records {
            let subject = record.key.as_ref().map_or_else(String::new, |key| key.subject().to_owned());
            orders.entry(subject).or_default().push(record);
        }
        orders.values().try_for_each(|records| timeline(records, &view, output))?;
        Ok(ExitStatus::Success)
    }
}

/// Writes the deliveries of one order: the time since the one before, the state, the type and the money.
fn timeline(records: &[Record], view: &View<'_>, output: &Output) -> Result<(), CliError> {
    let subject = records.first().and_then(|first| view.of(first).subject).unwrap_or_default();
    output.line(&Line::new().styled(BOLD, subject))?;
    let mut table = Table::default();
    let mut before: Option<Timestamp> = None;
    for record in records {
        let shown = view.of(record);
        let since = before.map_or_else(String::new, |before| format!("+{}", in_words(record.received_at.since(before))));
        before = Some(record.received_at);
        let synthetic = if record.is_synthetic() { "made by reconcile" } else { "" };
        let repeated = if record.duplicates > 0 { format!("◌ {}", record.duplicates) } else { String::new() };
        table.row([
            Cell::new(date_and_time(record.received_at, &output.zone)),
            Cell::new(since),
            Cell::new(format!("#{}", record.id)),
            state_cell(record),
            Cell::new(record.event_type.as_deref().unwrap_or("–")),
            Cell::new(shown.money()),
            Cell::new(repeated),
            Cell::new(attempts(record)),
            Cell::new(synthetic),
            Cell::new(shown.note().unwrap_or_default()),
        ]);
    }
    table.write(output)
}

/// Returns the number of attempts, and the time from the arrival to the end.
fn attempts(record: &Record) -> String {
    let after = record.settled_at.map(|settled| format!("after {}", in_words(settled.since(record.received_at))));
    let number = (record.attempts > 1).then(|| format!("{} attempts", record.attempts));
    [number, after].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
