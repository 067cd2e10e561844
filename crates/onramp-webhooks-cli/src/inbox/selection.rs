//! The selection of deliveries: by their ids, or by what they have in common.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter, Record, State, Tally};
use onramp_webhooks::provider::Providers;

use super::reading::{failed, head};
use crate::exit::CliError;
use crate::time::{TimeArg, parse_time};

/// Maximum number of deliveries that are counted.
pub(super) const MOST_COUNTED: u64 = 10_000;

/// The flags that cannot be combined with ids.
const FILTERS: [&str; 10] =
    ["state", "endpoint", "provider", "event_type", "order", "error", "reason", "since", "until", "resolved"];

/// Flags that select deliveries.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Selection {
    /// Ids of deliveries, instead of a filter
    #[arg(value_name = "ID", conflicts_with_all = FILTERS)]
    pub(super) ids: Vec<DeliveryId>,
    /// States: pending, leased, retrying, parked, handled, dead, quarantined or conflict
    #[arg(long, value_name = "STATE,..", value_delimiter = ',')]
    pub(super) state: Vec<State>,
    /// The endpoint that received them
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// The provider that sent them
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The type of the event
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// The order, uuid, transaction or click that they are about
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// A text in the note
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// The cause of dead letters
    #[arg(long, value_enum)]
    reason: Option<Reason>,
    /// The earliest time of arrival: 48h, 2h30m, today, 2026-01-31, or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<TimeArg>,
    /// The time before which they arrived
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<TimeArg>,
    /// Those that an operator resolved. Without this, resolved ones are left out wherever --state or --reason is given
    #[arg(long)]
    resolved: bool,
    /// The maximum number of deliveries
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<usize>,
}

/// A cause of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// Every attempt failed
    Exhausted,
    /// Refused by the handler
    Handler,
    /// Refused by a check
    Check,
    /// The handler ended its transaction
    Transaction,
    /// The process ended while it was handled
    Crash,
    /// The worker could not read it
    Unreadable,
}

impl Reason {
    const fn cause(self) -> DeadCause {
        match self {
            Self::Exhausted => DeadCause::AttemptsUsedUp,
            Self::Handler => DeadCause::RefusedByHandler,
            Self::Check => DeadCause::RefusedByCheck,
            Self::Transaction => DeadCause::TransactionEnded,
            Self::Crash => DeadCause::ProcessKilled,
            Self::Unreadable => DeadCause::Unreadable,
        }
    }
}

/// The deliveries that were selected, the oldest first.
#[derive(Default)]
pub(super) struct Chosen {
    /// The deliveries, without bodies.
    pub(super) records: Vec<Record>,
    pub(super) tally: Tally,
    /// `true` if there are more than were counted.
    pub(super) has_more: bool,
    /// The ids that were named, but cannot be changed, each with the reason.
    pub(super) refused: Vec<(DeliveryId, String)>,
}

impl Selection {
    /// Returns whether nothing was selected explicitly.
    pub(super) fn is_empty(&self) -> bool {
        let Self { ids, state, endpoint, provider, event_type, order, error, reason, since, until, resolved, limit } = self;
        let texts = [endpoint, provider, event_type, order, error];
        let has_none = ids.is_empty() && state.is_empty() && texts.into_iter().all(Option::is_none) && reason.is_none();
        has_none && since.is_none() && until.is_none() && !resolved && limit.is_none()
    }

    /// Restricts a filter to resolved deliveries.
    pub(super) fn resolved_only(&mut self) {
        self.resolved = self.resolved || (self.ids.is_empty() && !self.is_empty());
    }

    /// Returns the filter. `states` are those of a selection that names none.
    pub(super) fn filter(&self, states: &[State], now: Timestamp, zone: &TimeZone) -> Filter {
        let mut filter = Filter::all();
        filter.states = match (self.state.as_slice(), self.reason) {
            ([], Some(_)) => vec![State::Dead],
            ([], None) => states.to_vec(),
            (named, _) => named.to_vec(),
        };
        filter.endpoint.clone_from(&self.endpoint);
        filter.provider = self.provider.clone().map(Into::into);
        filter.event_type.clone_from(&self.event_type);
        filter.about.clone_from(&self.order);
        filter.error.clone_from(&self.error);
        filter.cause = self.reason.map(Reason::cause);
        filter.since = self.since.map(|time| time.resolve(now, zone));
        filter.until = self.until.map(|time| time.resolve(now, zone));
        filter.resolved = match self.resolved {
            true => Some(true),
            false => (!filter.states.is_empty()).then_some(false),
        };
        filter
    }

    /// Reads the deliveries that a command changes. Of ids that were named, `why_not` is the reason why one cannot be changed.
    pub(super) async fn choose(
        &self,
        inbox: &dyn Inbox,
        states: &[State],
        now: Timestamp,
        zone: &TimeZone,
        why_not: impl Fn(&Record) -> Option<&'static str>,
    ) -> Result<Chosen, CliError> {
        if self.is_empty() {
            let nothing = CliError::Usage("nothing is selected".to_owned());
            return Err(nothing.hint("name the ids of deliveries, or filter them: --state dead --since 48h"));
        }
        if self.ids.is_empty() {
            let most = self.limit.map_or(MOST_COUNTED, |limit| u64::try_from(limit).unwrap_or(MOST_COUNTED).min(MOST_COUNTED));
            let filter = self.filter(states, now, zone);
            let mut chosen = by_filter(inbox, filter, most).await?;
            chosen.has_more = chosen.has_more && self.limit.is_none();
            return Ok(chosen);
        }
        by_ids(inbox, &self.ids, why_not).await
    }
}

async fn by_ids(
    inbox: &dyn Inbox,
    ids: &[DeliveryId],
    why_not: impl Fn(&Record) -> Option<&'static str>,
) -> Result<Chosen, CliError> {
    let mut chosen = Chosen::default();
    for id in ids.iter().copied().collect::<BTreeSet<_>>() {
        let found = inbox.show(id).await.map_err(failed)?;
        match found.as_ref().map_or(Some("there is no such delivery"), &why_not) {
            Some(why) => chosen.refused.push((id, why.to_owned())),
            None => found.into_iter().for_each(|record| chosen.add(record, &Providers::default())),
        }
    }
    Ok(chosen)
}

async fn by_filter(inbox: &dyn Inbox, filter: Filter, most: u64) -> Result<Chosen, CliError> {
    let (providers, mut chosen) = (Providers::default(), Chosen::default());
    let mut next = Some(filter.oldest_first().with_bodies().limit(500));
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await.map_err(failed)?;
        next = filter.following(&page);
        for record in page.records {
            if chosen.tally.deliveries >= most {
                chosen.has_more = true;
                return Ok(chosen);
            }
            chosen.add(record, &providers);
        }
    }
    Ok(chosen)
}

impl Chosen {
    fn add(&mut self, record: Record, providers: &Providers) {
        self.tally.add(&record, providers);
        self.records.push(Record { body: None, ..record });
    }

    /// Returns whether a delivery is still in the state in which it was selected, and as resolved as it was.
    pub(super) async fn is_unchanged(inbox: &dyn Inbox, record: &Record) -> Result<bool, CliError> {
        let is_as_before = |now: Record| now.state == record.state && now.resolved_at == record.resolved_at;
        Ok(head(inbox, record.id).await.map_err(failed)?.is_some_and(is_as_before))
    }
}
