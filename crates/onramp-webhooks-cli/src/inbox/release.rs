//! The command `onramp-webhooks inbox release`.

use clap::Args;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{DeadCause, Filter, Record, Replayed, State, Tally, list_all};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::purchases;
use serde_json::json;

use super::change::{Change, Decision};
use super::reading::failed;
use super::selection::Chosen;
use super::view::View;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox release 8b42f371-8cb4-41f4-a0b8-e6f84ae589d3 --dry-run
  onramp-webhooks inbox release 8b42f371-8cb4-41f4-a0b8-e6f84ae589d3 --yes";

/// Let a purchase pass that the shop did not start, or started with other values, and have it handled.
///
/// Kriptomat does not sign its postbacks: verify in its dashboard that the purchase is genuine before you release it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Release {
    /// The uuid of the purchase
    uuid: String,
    #[command(flatten)]
    change: Change,
}

impl Release {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let (inbox, purchases) = globals.required_database()?.open_with_purchases(&globals.schema).await?;
        let about = Filter::all().about(self.uuid.to_ascii_lowercase()).with_bodies();
        let found = list_all(&*inbox, about).await.map_err(failed)?;
        let held = self.held(found)?;
        let providers = Providers::default();
        let mut tally = Tally::default();
        tally.add(&held, &providers);
        let chosen = Chosen { records: vec![held.clone()], tally, ..Chosen::default() };
        if let Decision::Stop(status) = self.change.decide("release", &chosen, &View::new(&providers, globals), output).await? {
            return Ok(status);
        }
        let now = SystemClock::default().now();
        let released = purchases::release(&*inbox, &providers, &*purchases, held.id, now).await.map_err(failed)?;
        let is_due = released == Replayed::Due;
        let result = match &released {
            Replayed::Due => "the worker of the shop handles it".to_owned(),
            Replayed::Duplicate { first } => format!("but it repeats delivery {first}"),
            Replayed::Conflict { first } => format!("but it contradicts delivery {first}"),
            Replayed::StillUnreadable { reason } => format!("but it cannot be read: {reason}"),
            _ => "with a result that this version does not know".to_owned(),
        };
        match output.json {
            true => output.object(&json!({ "object": "release", "id": held.id.to_string(), "due": is_due }))?,
            false => output.line(&Line::new().text(format_args!("#{}  released; {result}", held.id)))?,
        }
        Ok(if is_due { ExitStatus::Success } else { ExitStatus::Findings })
    }

    /// Returns the delivery that was held back.
    fn held(&self, found: Vec<Record>) -> Result<Record, CliError> {
        let is_none = found.is_empty();
        let is_refused = |record: &Record| record.state == State::Dead && record.cause == Some(DeadCause::RefusedByCheck);
        let mut held = found.into_iter().filter(|record| is_refused(record) || record.state.waits());
        match held.next() {
            Some(record) => Ok(record),
            None if is_none => {
                let error = CliError::Failed(format!("there is no delivery about {}", self.uuid));
                Err(error.hint("onramp-webhooks inbox list --reason check lists what was held back"))
            }
            None => Err(CliError::Refused(format!("no delivery about {} is held back", self.uuid))),
        }
    }
}
