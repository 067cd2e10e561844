//! The command `onramp-webhooks inbox prune`.

use std::time::Duration;

use clap::Args;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{Retention, State};
use serde_json::json;

use super::change::not_confirmed;
use super::reading::failed;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::prompt::{self, Answer};
use crate::text::Line;
use crate::time::{date_and_time, in_words, parse_duration};

/// The retention of states that are not pruned.
const FOR_EVER: Duration = Duration::from_secs(1_000 * 365 * 86_400);

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox prune --state handled --older-than 30d --yes
  onramp-webhooks inbox prune --state dead,conflict --older-than 365d --yes";

/// Remove the bodies of old deliveries, for good. Keys stay, so that copies are recognised.
///
/// The worker of a shop prunes by itself. This is for a disk that fills up: pages are used again, and the file of SQLite does not shrink.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prune {
    /// States: handled, dead, quarantined or conflict
    #[arg(long, value_name = "STATE,..", value_delimiter = ',', required = true)]
    state: Vec<State>,
    /// Age since they were settled, or else since they arrived: 30d, 12h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Duration,
    /// Do not ask. Required without a terminal
    #[arg(short, long)]
    yes: bool,
}

impl Prune {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let retention = self.retention()?;
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        if let Some(status) = self.confirmed(output).await? {
            return Ok(status);
        }
        let (mut interrupts, mut removed) = (Interrupts::listen()?, 0_u64);
        let status = loop {
            let step = tokio::select! {
                step = inbox.prune(now, retention) => step.map_err(failed)?,
                () = interrupts.next() => break ExitStatus::Interrupted,
            };
            removed = removed.saturating_add(step);
            if step == 0 {
                break ExitStatus::Success;
            }
        };
        let before = now.before(self.older_than);
        match output.json {
            true => output.object(&json!({ "object": "prune", "removed": removed, "before": crate::time::rfc3339(before) }))?,
            false => {
                let before = date_and_time(before, &output.zone);
                output.line(&Line::new().text(format_args!("{removed} pruned that were older than {before}")))?;
            }
        }
        Ok(status)
    }

    fn retention(&self) -> Result<Retention, CliError> {
        let all = Retention::default().handled(FOR_EVER).dead(FOR_EVER).conflict(FOR_EVER).quarantined(FOR_EVER);
        self.state.iter().try_fold(all, |retention, state| match state {
            State::Handled => Ok(retention.handled(self.older_than)),
            State::Dead => Ok(retention.dead(self.older_than)),
            State::Conflict => Ok(retention.conflict(self.older_than)),
            State::Quarantined => Ok(retention.quarantined(self.older_than)),
            other => Err(CliError::Usage(format!("--state: {other} deliveries still wait, and are not pruned"))),
        })
    }

    /// Asks. Returns the exit status if nothing is to be pruned.
    async fn confirmed(&self, output: &Output) -> Result<Option<ExitStatus>, CliError> {
        if self.yes {
            return Ok(None);
        }
        if !prompt::can_ask() {
            return Err(CliError::Refused("prune has to be confirmed".to_owned()).hint("add --yes, or run it on a terminal"));
        }
        let states = self.state.iter().map(State::to_string).collect::<Vec<_>>().join(", ");
        let question = Line::new().text(format_args!(
            "Remove the bodies of all deliveries that are {states} and older than {}, for good? y/N:",
            in_words(self.older_than)
        ));
        match prompt::ask(&question, output).await? {
            Answer::Interrupted => Ok(Some(ExitStatus::Interrupted)),
            Answer::Line(answer) if matches!(answer.to_lowercase().as_str(), "y" | "yes") => Ok(None),
            Answer::Line(_) => Err(not_confirmed()),
        }
    }
}
