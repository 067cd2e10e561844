//! Deliveries that are due, and that no worker handles.

use std::time::Duration;

use super::item::{Item, ItemKind};
use super::scan::scan;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, State, Tally};
use crate::provider::Providers;

/// Time after which a delivery that is due is a problem. A worker takes one within seconds.
const OVERDUE: Duration = Duration::from_secs(5 * 60);

/// The states of waiting deliveries, and their words on the command line.
const WAITING: [State; 4] = [State::Pending, State::Leased, State::Retrying, State::Parked];

/// The deliveries that wait.
pub(super) struct Waiting {
    pub(super) oldest_due: Option<Timestamp>,
    pub(super) overdue: Option<Item>,
}

/// Finds out since when waiting deliveries are due.
pub(super) async fn waiting(inbox: &dyn Inbox, providers: &Providers, now: Timestamp) -> Result<Waiting, StoreError> {
    let filter = WAITING.into_iter().fold(Filter::all().oldest_first(), Filter::state);
    let (mut oldest_due, mut tally) = (None, Tally::default());
    let has_more = scan(inbox, filter.clone(), |record| {
        let Some(due) = record.waits_until() else { return };
        oldest_due = oldest_due.map_or(Some(due), |oldest: Timestamp| Some(oldest.min(due)));
        if now.since(due) > OVERDUE {
            tally.add(record, providers);
        }
    })
    .await?;
    let words = WAITING.map(State::as_str).join(",");
    let overdue = (tally.deliveries > 0).then(|| Item {
        kind: ItemKind::Overdue,
        // The bodies were not read.
        tally: tally.without_purchases(),
        has_more,
        detail: "is the worker of the shop running, and does it use this inbox?".to_owned(),
        filter,
        command: format!("inbox list --state {words}"),
    });
    Ok(Waiting { oldest_due, overdue })
}
