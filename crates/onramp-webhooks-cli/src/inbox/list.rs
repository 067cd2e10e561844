//! The command `onramp-webhooks inbox list`.

use clap::{Args, ValueEnum};
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{DeliveryId, Filter, Record, Tally, error_group, tally};
use onramp_webhooks::masking::masked;
use onramp_webhooks::provider::Providers;
use serde_json::json;

use super::reading::{failed, whole};
use super::selection::Selection;
use super::view::{View, sums};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::{date_and_time, day, rfc3339};

/// Number of rows without `--limit`.
const ROWS: usize = 50;

/// Maximum number of deliveries that are added up for groups without `--limit`.
const MOST_GROUPED: usize = 100_000;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox list
  onramp-webhooks inbox list --state dead,conflict --since 48h
  onramp-webhooks inbox list --state dead --group-by error
  onramp-webhooks inbox list --type order_complete --limit 10 --json";

/// List deliveries, the newest first.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    #[command(flatten)]
    selection: Selection,
    /// Show one row for each group, with the money of its completed purchases
    #[arg(long, value_enum, value_name = "FIELD", conflicts_with = "ids")]
    group_by: Option<GroupBy>,
    /// Only those older than this one: the next page
    #[arg(long, value_name = "ID", conflicts_with = "ids")]
    before: Option<DeliveryId>,
}

/// A property by which deliveries are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GroupBy {
    /// The note without numbers, ids and quoted text
    Error,
    /// The type of the event
    Type,
    /// The endpoint
    Endpoint,
    /// The day of arrival
    Day,
}

impl List {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let providers = Providers::default();
        let view = View::new(&providers, globals);
        if !self.selection.ids.is_empty() {
            let mut records = Vec::new();
            for id in &self.selection.ids {
                records.push(whole(&*inbox, *id).await?);
            }
            view.list(&records, output)?;
            return Ok(ExitStatus::Success);
        }
        let mut filter = self.selection.filter(&[], SystemClock::default().now(), &output.zone);
        filter.before = self.before;
        match self.group_by {
            Some(group_by) => self.groups(&*inbox, &view, group_by, filter, output).await?,
            None => self.rows(&*inbox, &view, filter, output).await?,
        }
        Ok(ExitStatus::Success)
    }

    async fn rows(&self, inbox: &dyn Inbox, view: &View<'_>, filter: Filter, output: &Output) -> Result<(), CliError> {
        let most = self.selection.limit.unwrap_or(ROWS);
        let (mut records, mut next) = (Vec::new(), Some(filter.with_bodies().limit(most.min(1_000))).filter(|_| most > 0));
        while let Some(filter) = next {
            let page = inbox.list(filter.clone()).await.map_err(failed)?;
            next = filter.following(&page);
            let left = most - records.len();
            let has_more = page.records.len() > left || (next.is_some() && page.records.len() == left);
            records.extend(page.records.into_iter().take(left));
            if records.len() == most {
                view.list(&records, output)?;
                if has_more && let Some(last) = records.last() {
                    output.note(&Line::new().text(format_args!("there may be more: --before {} lists older ones", last.id)));
                }
                return Ok(());
            }
        }
        view.list(&records, output)?;
        if records.is_empty() {
            output.note(&Line::new().text("no delivery matches"));
        }
        Ok(())
    }

    async fn groups(
        &self,
        inbox: &dyn Inbox,
        view: &View<'_>,
        group_by: GroupBy,
        filter: Filter,
        output: &Output,
    ) -> Result<(), CliError> {
        let most = self.selection.limit.unwrap_or(MOST_GROUPED);
        let zone = output.zone.clone();
        let group = |record: &Record| match group_by {
            GroupBy::Error => group_of_errors(record, view.providers),
            GroupBy::Type => record.event_type.clone().unwrap_or_default(),
            GroupBy::Endpoint => record.endpoint.to_string(),
            GroupBy::Day => day(record.received_at, &zone),
        };
        let filter = filter.limit(most.min(1_000));
        let found = tally(inbox, view.providers, filter, most.try_into().unwrap_or(u64::MAX), group).await.map_err(failed)?;
        let mut groups: Vec<_> = found.groups.into_iter().collect();
        if group_by != GroupBy::Day {
            groups.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.deliveries));
        }
        write_groups(&groups, output)?;
        if let Some(searched_to) = found.searched_to {
            let searched_to = date_and_time(searched_to, &output.zone);
            output
                .note(&Line::new().text(format_args!("only deliveries since {searched_to} were added up; --limit adds up more")));
        }
        Ok(())
    }
}

/// Returns the note without what differs between deliveries, and without the values that are masked in the body.
fn group_of_errors(record: &Record, providers: &Providers) -> String {
    let note = record.note.as_deref().unwrap_or_default();
    let scrubbed = record.body.as_ref().map(|body| masked(providers, &record.provider, body).scrub(note));
    error_group(Some(scrubbed.as_deref().unwrap_or(note)))
}

fn write_groups(groups: &[(String, Tally)], output: &Output) -> Result<(), CliError> {
    if output.json {
        return groups.iter().try_for_each(|(name, tally)| output.object(&group_json(name, tally)));
    }
    let mut table = Table::default();
    for (name, tally) in groups {
        table.row([
            Cell::new(format!("{:>6}", tally.deliveries)),
            Cell::new(if name.is_empty() { "–" } else { name }),
            Cell::new(sums(tally)),
            Cell::new(tally.newest.map_or_else(String::new, |newest| format!("newest #{newest}"))),
        ]);
    }
    table.write(output)
}

fn group_json(name: &str, tally: &Tally) -> serde_json::Value {
    json!({
        "object": "group",
        "group": name,
        "deliveries": tally.deliveries,
        "purchases": tally.purchases,
        "paid": paid(tally),
        "unclear": tally.unclear,
        "first_received_at": tally.first.map(rfc3339),
        "last_received_at": tally.last.map(rfc3339),
        "newest_id": tally.newest.map(|id| id.to_string()),
    })
}

/// Returns the sums of completed purchases, by currency.
pub(crate) fn paid(tally: &Tally) -> serde_json::Value {
    let sums = tally.money().filter_map(|sum| {
        let (amount, currency) = sum.split_once(' ')?;
        Some(json!({ "amount": amount, "currency": currency }))
    });
    sums.collect()
}
