//! The commands `onramp-webhooks inbox resolve` and `inbox reopen`.

use clap::Args;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{State, why_not_resolved};
use onramp_webhooks::provider::Providers;
use serde_json::json;

use super::change::{Change, Decision};
use super::reading::failed;
use super::selection::{Chosen, Selection};
use super::view::View;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::text::Line;

/// The states that wait for an operator.
const OPEN: [State; 3] = [State::Dead, State::Quarantined, State::Conflict];

/// Maximum length of a note, in characters.
const LONGEST_NOTE: usize = 2_000;

const RESOLVE_EXAMPLES: &str = "Examples:
  onramp-webhooks inbox resolve 4 --note 'the first amount is right' --yes
  onramp-webhooks inbox resolve --state quarantined --until 2026-01-31 --note 'a scanner' --dry-run";

const REOPEN_EXAMPLES: &str = "Examples:
  onramp-webhooks inbox reopen 4 --yes
  onramp-webhooks inbox reopen --state conflict --dry-run";

/// Close dead letters, conflicts and quarantined deliveries that are not to be handled.
///
/// They stay in their state and cause no alarm any more. A replay or `inbox reopen` opens them again.
#[derive(Args)]
#[command(after_help = RESOLVE_EXAMPLES)]
pub(crate) struct Resolve {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    change: Change,
    /// The reason, for other operators
    #[arg(long, value_name = "TEXT")]
    note: String,
}

/// Take back resolutions.
#[derive(Args)]
#[command(after_help = REOPEN_EXAMPLES)]
pub(crate) struct Reopen {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    change: Change,
}

impl Resolve {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if self.note.chars().count() > LONGEST_NOTE {
            return Err(CliError::Usage(format!("--note: at most {LONGEST_NOTE} characters")));
        }
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        let chosen = self.selection.choose(&*inbox, &OPEN, now, &output.zone).await?;
        for record in &chosen.records {
            if let Some(why) = why_not_resolved(record.state) {
                return Err(CliError::Refused(format!("delivery {} cannot be resolved: {why}", record.id)));
            }
        }
        let providers = Providers::default();
        if let Decision::Stop(status) = self.change.decide("resolve", &chosen, &View::new(&providers, globals), output).await? {
            return Ok(status);
        }
        for record in &chosen.records {
            inbox.resolve(now, record.id, &self.note).await.map_err(failed)?;
        }
        write(&chosen, "resolved", output)
    }
}

impl Reopen {
    pub(crate) async fn run(mut self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        self.selection.resolved_only();
        let chosen = self.selection.choose(&*inbox, &OPEN, now, &output.zone).await?;
        if let Some(open) = chosen.records.iter().find(|record| record.resolved_at.is_none()) {
            return Err(CliError::Refused(format!("delivery {} is not resolved", open.id)));
        }
        let providers = Providers::default();
        if let Decision::Stop(status) = self.change.decide("reopen", &chosen, &View::new(&providers, globals), output).await? {
            return Ok(status);
        }
        for record in &chosen.records {
            inbox.reopen(now, record.id).await.map_err(failed)?;
        }
        write(&chosen, "reopened", output)
    }
}

fn write(chosen: &Chosen, done: &str, output: &Output) -> Result<ExitStatus, CliError> {
    for record in &chosen.records {
        match output.json {
            true => output.object(&json!({ "object": "change", "id": record.id.to_string(), "outcome": done }))?,
            false => output.line(&Line::new().text(format_args!("#{}  {done}", record.id)))?,
        }
    }
    Ok(ExitStatus::Success)
}
