//! The commands `onramp-webhooks inbox resolve` and `inbox reopen`.

use clap::Args;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{DeliveryId, Record, State, why_not_resolved};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{StoreError, StoreErrorKind};
use serde_json::json;

use super::change::{Change, Decision};
use super::reading::failed;
use super::selection::{Chosen, Selection};
use super::view::View;
use crate::exit::{Causes, CliError, ExitStatus};
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
/// They stay in their state and cause no alarm any more. `inbox reopen` opens them again. Exit code 3 if a delivery does not exist or is in
/// another state; the others are resolved.
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

/// Take back resolutions. Exit code 3 if a delivery does not exist or is not resolved; the others are reopened.
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
        let note = self.note.trim();
        if note.is_empty() {
            return Err(CliError::Usage("--note: the reason is empty".to_owned()));
        }
        if note.chars().count() > LONGEST_NOTE {
            return Err(CliError::Usage(format!("--note: at most {LONGEST_NOTE} characters")));
        }
        if let Some((state, why)) = self.selection.state.iter().find_map(|state| Some((state, why_not_resolved(*state)?))) {
            return Err(CliError::Usage(format!("--state: {state} deliveries cannot be resolved: {why}")));
        }
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        let chosen = self.selection.choose(&*inbox, &OPEN, now, &output.zone, |record| why_not_resolved(record.state)).await?;
        let resolve = async |record: &Record| inbox.resolve(now, record.id, note).await;
        each(("resolve", "resolved"), chosen, &self.change, globals, output, resolve).await
    }
}

impl Reopen {
    pub(crate) async fn run(mut self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        self.selection.resolved_only();
        let why_not = |record: &Record| record.resolved_at.is_none().then_some("it is not resolved");
        let chosen = self.selection.choose(&*inbox, &OPEN, now, &output.zone, why_not).await?;
        let reopen = async |record: &Record| inbox.reopen(now, record.id).await;
        each(("reopen", "reopened"), chosen, &self.change, globals, output, reopen).await
    }
}

/// Changes what was chosen, one delivery after another, and names what could not be changed.
async fn each(
    (verb, done): (&str, &str),
    mut chosen: Chosen,
    change: &Change,
    globals: &Globals,
    output: &Output,
    make: impl AsyncFn(&Record) -> Result<(), StoreError>,
) -> Result<ExitStatus, CliError> {
    let providers = Providers::default();
    let decision = change.decide(verb, &chosen, &View::new(&providers, globals), output).await?;
    if let Decision::Proceed = decision {
        for record in &chosen.records {
            match make(record).await {
                Ok(()) => write(record.id, done, None, output)?,
                Err(error) if matches!(error.kind(), StoreErrorKind::Refused | StoreErrorKind::NotFound) => {
                    chosen.refused.push((record.id, Causes(&error).to_string()));
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
    for (id, why) in &chosen.refused {
        write(*id, "refused", Some(why), output)?;
    }
    Ok(match decision {
        Decision::Proceed | Decision::Stop(ExitStatus::Success) if !chosen.refused.is_empty() => ExitStatus::Findings,
        Decision::Proceed => ExitStatus::Success,
        Decision::Stop(status) => status,
    })
}

fn write(id: DeliveryId, outcome: &str, why: Option<&str>, output: &Output) -> Result<(), CliError> {
    if output.json {
        return output.object(&json!({ "object": "change", "id": id.to_string(), "outcome": outcome, "reason": why }));
    }
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    output.line(&Line::new().text(format_args!("#{id}  {outcome}{why}")))
}
