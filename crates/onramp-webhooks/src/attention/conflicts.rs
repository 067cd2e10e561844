//! Conflicts: events that contradict earlier ones.

use super::item::{Item, ItemKind};
use super::scan::scan;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, Record, State, Tally, contradicted};
use crate::provider::Providers;

/// Returns the conflicts as one problem; `None` if there are none.
pub(super) async fn item(inbox: &dyn Inbox, providers: &Providers) -> Result<Option<Item>, StoreError> {
    let filter = Filter::all().state(State::Conflict).resolved(false);
    let (mut tally, mut newest) = (Tally::default(), None);
    let has_more = scan(inbox, filter.clone().with_bodies(), |record| {
        tally.add(record, providers);
        if newest.is_none() {
            newest = Some(record.clone());
        }
    })
    .await?;
    let Some(newest) = newest else { return Ok(None) };
    let is_one = tally.deliveries == 1;
    let detail = match contradicted(inbox, &newest).await? {
        Some(first) => contradiction(&first, &newest, providers),
        None => subject(&newest),
    };
    let command = if is_one { format!("inbox diff {}", newest.id) } else { "inbox list --state conflict".to_owned() };
    let detail = if is_one { detail } else { format!("the newest: {detail}") };
    Ok(Some(Item { kind: ItemKind::Conflicts, tally, has_more, detail, filter, command }))
}

/// Returns the order, and the money of both deliveries.
fn contradiction(first: &Record, second: &Record, providers: &Providers) -> String {
    let money = |record: &Record| {
        let mut tally = Tally::default();
        tally.add(record, providers);
        tally.money().collect::<Vec<_>>().join(", ")
    };
    match (money(first), money(second)) {
        (before, after) if before.is_empty() && after.is_empty() => subject(second),
        (before, after) => format!("{}, {before}, then {after}", subject(second)),
    }
}

/// Returns the kind and the id that a delivery is about: `order 01HBE0YY5SMKXXA4ZCM952HS90`.
fn subject(record: &Record) -> String {
    let subject = record.key.as_ref().map_or("", |key| key.subject());
    match *subject.splitn(3, '/').collect::<Vec<_>>() {
        [_, kind, id] => format!("{kind} {id}"),
        _ => record.endpoint.to_string(),
    }
}
