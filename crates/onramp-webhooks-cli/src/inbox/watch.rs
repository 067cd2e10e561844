//! The command `onramp-webhooks inbox watch`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record, State, list_all};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{Inbox, StoreError};
use tokio::time::sleep;

use super::reading::{failed, head};
use super::view::View;
use crate::away::Away;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;
use crate::time::parse_limit;

/// Number of waiting deliveries whose changes are shown. When more wait, changes of the oldest ones are left out.
const MOST_FOLLOWED: usize = 1_000;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox watch --until-empty pending,retrying
  onramp-webhooks inbox watch --last 20 --until-empty parked --json";

/// Show deliveries as they arrive, and when they are settled. A database that goes away is waited for.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    /// The number of earlier deliveries that are shown first
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    last: usize,
    /// End when no delivery is in these states. Resolved ones do not count
    #[arg(long, value_name = "STATE,..", value_delimiter = ',')]
    until_empty: Vec<State>,
    /// The pause between two looks
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_limit)]
    interval: Duration,
}

impl Watch {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if self.until_empty.contains(&State::Handled) {
            return Err(CliError::Usage("--until-empty: handled deliveries stay".to_owned()));
        }
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let providers = Providers::default();
        let view = View::new(&providers, globals);
        let mut followed = self.earlier(&*inbox, &view, output).await?;
        let (mut interrupts, mut away) = (Interrupts::listen()?, Away::default());
        loop {
            if let Some((is_empty, changed)) = away.is_waited_for(self.look(&*inbox, &followed).await, output) {
                view.list(&changed, output)?;
                changed.iter().for_each(|record| followed.follow(record));
                if is_empty {
                    output.note(&Line::new().text("none is left"));
                    return Ok(ExitStatus::Success);
                }
            }
            if output.is_closed() {
                return Ok(ExitStatus::Success);
            }
            tokio::select! {
                () = sleep(self.interval) => {}
                () = interrupts.next() => {
                    self.left(&*inbox, output).await?;
                    return Ok(ExitStatus::Interrupted);
                }
            }
        }
    }

    /// Shows the newest deliveries.
    async fn earlier(&self, inbox: &dyn Inbox, view: &View<'_>, output: &Output) -> Result<Followed, CliError> {
        let newest = inbox.list(Filter::all().with_bodies().limit(self.last.clamp(1, 1_000))).await.map_err(failed)?;
        let mut followed = Followed { newest: newest.records.first().map(|newest| newest.id), ..Followed::default() };
        let mut records: Vec<_> = newest.records.into_iter().take(self.last).collect();
        records.reverse();
        view.list(&records, output)?;
        records.iter().for_each(|record| followed.follow(record));
        Ok(followed)
    }

    /// Returns whether no delivery is left to wait for, and what has changed.
    async fn look(&self, inbox: &dyn Inbox, followed: &Followed) -> Result<(bool, Vec<Record>), StoreError> {
        // The number is read first, so that a change that it includes is shown.
        let is_empty = match self.until_empty.is_empty() {
            true => false,
            false => {
                let counts = inbox.open_counts().await?;
                self.until_empty.iter().all(|state| counts.of(*state) == 0)
            }
        };
        Ok((is_empty, followed.changes(inbox).await?))
    }

    /// Notes the deliveries that it waited for: those that wait for a worker, and those that one handles.
    async fn left(&self, inbox: &dyn Inbox, output: &Output) -> Result<(), CliError> {
        let counts = inbox.open_counts().await.map_err(failed)?;
        let left = counts.iter().filter(|(state, count)| self.until_empty.contains(state) && *count > 0);
        let left: Vec<_> = left.map(|(state, count)| format!("{state} {count}")).collect();
        if !left.is_empty() {
            output.note(&Line::new().text(format_args!("left: {}", left.join(", "))));
        }
        Ok(())
    }
}

/// The deliveries that were shown.
#[derive(Default)]
struct Followed {
    newest: Option<DeliveryId>,
    /// Those that wait, with the state that was shown.
    waiting: BTreeMap<DeliveryId, State>,
}

impl Followed {
    fn follow(&mut self, record: &Record) {
        self.newest = self.newest.max(Some(record.id));
        match record.state.waits() {
            true => self.waiting.insert(record.id, record.state),
            false => self.waiting.remove(&record.id),
        };
        if self.waiting.len() > MOST_FOLLOWED {
            self.waiting.pop_first();
        }
    }

    /// Reads what has changed since it was shown. A delivery that was removed is left out.
    async fn changes(&self, inbox: &dyn Inbox) -> Result<Vec<Record>, StoreError> {
        let mut changed = Vec::new();
        for (id, state) in &self.waiting {
            match head(inbox, *id).await? {
                Some(now) if now.state != *state && now.state != State::Leased => changed.extend(inbox.show(*id).await?),
                _ => {}
            }
        }
        let mut new = Filter::all().oldest_first().with_bodies().limit(1_000);
        new.after = self.newest;
        changed.extend(list_all(inbox, new).await?);
        Ok(changed)
    }
}
