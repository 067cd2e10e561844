//! The command `onramp-webhooks inbox prune`.

use std::time::Duration;

use clap::Args;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::{Filter, Record, Retention, State, Tally, why_not_forgotten};
use onramp_webhooks::provider::Providers;
use serde_json::json;

use super::change::{Confirmation, Decision};
use super::list::paid;
use super::reading::failed;
use super::selection::Chosen;
use super::view::{deliveries, purchases};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;
use crate::time::{date_and_time, parse_duration, rfc3339};

/// The retention of states that are not pruned.
const FOR_EVER: Duration = Duration::from_secs(1_000 * 365 * 86_400);

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox prune --state handled --older-than 30d --dry-run
  onramp-webhooks inbox prune --state handled --older-than 30d --yes
  onramp-webhooks inbox prune --state dead,conflict --older-than 365d --yes";

/// Remove the bodies of old deliveries, for good. Keys stay, so that copies are recognised.
///
/// Dead letters, conflicts and quarantined deliveries are pruned only after `inbox resolve`: the others stay, and are counted. The worker of
/// a shop prunes by itself. This is for a disk that fills up: pages are used again, and the file of SQLite does not shrink.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prune {
    /// States: handled, dead, quarantined or conflict
    #[arg(long, value_name = "STATE,..", value_delimiter = ',', required = true)]
    state: Vec<State>,
    /// Age since they were settled, or else since they arrived: 30d, 12h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Duration,
    #[command(flatten)]
    confirmation: Confirmation,
}

/// The old deliveries with a body.
#[derive(Default)]
struct Found {
    /// The number of handled ones.
    handled: u64,
    /// The resolved ones, without bodies.
    resolved: Vec<Record>,
    /// Those that are neither, which stay.
    unresolved: Tally,
}

impl Prune {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if let Some((state, why)) = self.state.iter().find_map(|state| Some((state, why_not_forgotten(*state)?))) {
            return Err(CliError::Usage(format!("--state: {state} deliveries are not pruned: {why}")));
        }
        let database = globals.required_database()?;
        let inbox = match self.confirmation.dry_run {
            true => database.open_for_reading(&globals.schema).await?,
            false => database.open(&globals.schema).await?,
        };
        let now = SystemClock::default().now();
        let before = now.before(self.older_than);
        let mut interrupts = Interrupts::listen()?;
        let found = tokio::select! {
            found = self.find(&*inbox, now) => found?,
            () = interrupts.next() => return Ok(ExitStatus::Interrupted),
        };
        let number = found.number();
        let old = Line::new().text(format_args!("{} older than {}", deliveries(number), date_and_time(before, &output.zone)));
        output.note(&old);
        if found.unresolved.deliveries > 0 {
            output.note(&stay(&found.unresolved));
        }
        let mut removed = 0;
        let status = match self.confirmation.decide("prune", number, output).await? {
            Decision::Proceed => tokio::select! {
                ended = self.remove(&*inbox, now, &found, &mut removed) => ended.map(|()| ExitStatus::Success)?,
                () = interrupts.next() => ExitStatus::Interrupted,
            },
            Decision::Stop(status) => status,
        };
        match output.json {
            true => output.object(&json!({
                "object": "prune",
                "matching": number,
                "removed": removed,
                "unresolved": found.unresolved.deliveries,
                "unresolved_paid": paid(&found.unresolved),
                "before": rfc3339(before),
                "dry_run": self.confirmation.dry_run,
            }))?,
            false if self.confirmation.dry_run => output.line(&Line::new().text(format_args!("{number} to prune")))?,
            false => output.line(&Line::new().text(format_args!("{removed} pruned")))?,
        }
        Ok(status)
    }

    /// Finds the deliveries that a run removes.
    async fn find(&self, inbox: &dyn Inbox, now: Timestamp) -> Result<Found, CliError> {
        let before = now.before(self.older_than);
        let (providers, mut found) = (Providers::default(), Found::default());
        let old = Filter::all().until(before).oldest_first().with_bodies().limit(1_000);
        let mut next = Some(self.state.iter().fold(old, |filter, state| filter.state(*state)));
        while let Some(filter) = next {
            let page = inbox.list(filter.clone()).await.map_err(failed)?;
            next = filter.following(&page);
            for record in page.records {
                let is_old = record.settled_at.unwrap_or(record.received_at) < before && record.body.is_some();
                // A key that can expire is kept until then, with its body.
                let is_old = is_old && record.key_expires_at.is_none_or(|expires| expires <= now);
                match () {
                    () if !is_old => {}
                    () if record.state == State::Handled => found.handled += 1,
                    () if record.resolved_at.is_some() => found.resolved.push(Record { body: None, ..record }),
                    () => found.unresolved.add(&record, &providers),
                }
            }
        }
        Ok(found)
    }

    /// Removes what was found, and counts it. Handled deliveries are many, and are removed in rounds.
    async fn remove(&self, inbox: &dyn Inbox, now: Timestamp, found: &Found, removed: &mut u64) -> Result<(), CliError> {
        for record in &found.resolved {
            if Chosen::is_unchanged(inbox, record).await? {
                inbox.forget(record.id).await.map_err(failed)?;
                *removed += 1;
            }
        }
        let retention = Retention::default().handled(self.older_than).dead(FOR_EVER).conflict(FOR_EVER).quarantined(FOR_EVER);
        while self.state.contains(&State::Handled) {
            match inbox.prune(now, retention).await.map_err(failed)? {
                0 => break,
                round => *removed += round,
            }
        }
        Ok(())
    }
}

impl Found {
    fn number(&self) -> u64 {
        self.handled + u64::try_from(self.resolved.len()).unwrap_or(u64::MAX)
    }
}

/// Says what stays.
fn stay(unresolved: &Tally) -> Line {
    let line = Line::new().text(format_args!("{} unresolved stay", unresolved.deliveries));
    let line = match purchases(unresolved) {
        money if money.is_empty() => line,
        money => line.text("; ").text(money),
    };
    line.text("; `inbox resolve` closes what is settled")
}
