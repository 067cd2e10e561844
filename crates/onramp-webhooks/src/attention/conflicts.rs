//! Conflicts: events that contradict earlier ones.

use super::item::{Item, ItemKind};
use super::scan::scan;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, Record, State, Tally, contradicted};
use crate::masking::masked;
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
        None => subject(&newest, providers),
    };
    let command = if is_one { format!("inbox diff {}", newest.id) } else { "inbox list --state conflict".to_owned() };
    let detail = if is_one { detail } else { format!("the newest: {detail}") };
    // The first deliveries report the purchases. Those of the conflicts may never have been.
    let tally = tally.without_purchases();
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
        (before, after) if before.is_empty() && after.is_empty() => subject(second, providers),
        (before, after) => format!("{}, {before}, then {after}", subject(second, providers)),
    }
}

/// Returns the kind and the id that a delivery is about, unless the id is personal: `order 01HBE0YY5SMKXXA4ZCM952HS90`.
fn subject(record: &Record, providers: &Providers) -> String {
    let subject = record.key.as_ref().map_or("", |key| key.subject());
    let shown = record.body.as_ref().map(|body| masked(providers, &record.provider, body));
    match *subject.splitn(3, '/').collect::<Vec<_>>() {
        // The hash of an id can be compared with those of guesses.
        [_, kind, id] if id.starts_with('#') => kind.to_owned(),
        [_, kind, id] => format!("{kind} {}", shown.map_or_else(|| id.to_owned(), |shown| shown.scrub(id))),
        _ => record.endpoint.to_string(),
    }
}
