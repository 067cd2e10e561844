//! Dead letters, grouped by their errors.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::item::{Item, ItemKind, quoted};
use super::scan::scan;
use crate::error::StoreError;
use crate::inbox::{DeadCause, Filter, Inbox, Record, State, Tally, error_group};
use crate::masking::{MASK, masked};
use crate::provider::Providers;

/// Maximum number of groups. All others are one problem.
const MOST_GROUPS: usize = 20;

/// Minimum length of a text by which errors are found, in characters.
const SHORTEST: usize = 6;

/// The dead letters with one cause and one error.
#[derive(Default)]
struct Group {
    cause: Option<DeadCause>,
    error: String,
    tally: Tally,
    /// The note of the newest one, without the masked values of its body.
    note: String,
}

/// Lists the groups of dead letters: those with purchases first, then by size.
pub(super) async fn items(inbox: &dyn Inbox, providers: &Providers) -> Result<Vec<Item>, StoreError> {
    let mut groups: BTreeMap<(Option<DeadCause>, String), Group> = BTreeMap::new();
    let mut notes: Vec<(Option<DeadCause>, String)> = Vec::new();
    let filter = Filter::all().state(State::Dead).resolved(false);
    let has_more = scan(inbox, filter.with_bodies(), |record| {
        let note = scrubbed(record, providers);
        let error = error_group(Some(&note));
        notes.push((record.cause, record.note.clone().unwrap_or_default()));
        let group = groups.entry((record.cause, error.clone())).or_insert_with(|| Group {
            cause: record.cause,
            error,
            tally: Tally::default(),
            note,
        });
        group.tally.add(record, providers);
    })
    .await?;
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| (Reverse(group.tally.purchases > 0), Reverse(group.tally.deliveries)));
    let others = groups.split_off(groups.len().min(MOST_GROUPS));
    let mut items: Vec<Item> = groups.into_iter().map(|group| group.item(has_more, &notes)).collect();
    let others = others.into_iter().map(|group| group.tally).reduce(|mut all, tally| {
        all.merge(tally);
        all
    });
    items.extend(others.map(|tally| Item {
        kind: ItemKind::OtherDeadLetters,
        tally,
        has_more,
        detail: String::new(),
        filter: Filter::all().state(State::Dead).resolved(false),
        command: "inbox list --state dead".to_owned(),
    }));
    Ok(items)
}

/// Returns the note of a delivery without the values that are masked in its body.
fn scrubbed(record: &Record, providers: &Providers) -> String {
    let note = record.note.as_deref().unwrap_or_default();
    match &record.body {
        Some(body) => masked(providers, &record.provider, body).scrub(note),
        None => error_group(Some(note)),
    }
}

impl Group {
    fn item(self, has_more: bool, notes: &[(Option<DeadCause>, String)]) -> Item {
        let mut filter = Filter::all().state(State::Dead).resolved(false);
        filter.cause = self.cause;
        let literal = literal(&self.error);
        filter.error = literal.map(str::to_owned);
        let is_one = self.tally.deliveries == 1;
        let command = match (self.cause, self.tally.newest, literal) {
            // Another attempt could pay twice, or would be refused again.
            (None | Some(DeadCause::TransactionEnded | DeadCause::RefusedByCheck), Some(id), _) => format!("inbox show {id}"),
            (_, Some(id), _) if is_one => format!("inbox replay {id}"),
            (Some(cause), _, Some(literal)) => {
                let is_found = |(of, note): &&(Option<DeadCause>, String)| *of == Some(cause) && note.contains(literal);
                let most = notes.iter().filter(is_found).count();
                format!("inbox replay --reason {} --error {} --max {most}", cause.code(), quoted(literal))
            }
            (Some(cause), ..) => format!("inbox list --reason {}", cause.code()),
            (None, ..) => "inbox list --state dead".to_owned(),
        };
        let detail = if is_one { self.note } else { self.error };
        Item { kind: ItemKind::DeadLetters { cause: self.cause }, tally: self.tally, has_more, detail, filter, command }
    }
}

/// Returns the longest part of a group's name that all notes of the group contain.
fn literal(error: &str) -> Option<&str> {
    let ends = |letter: char| letter == '…' || MASK.contains(letter) || letter.is_control();
    let parts = error.split(ends).map(str::trim);
    parts.max_by_key(|part| part.chars().count()).filter(|part| part.chars().count() >= SHORTEST)
}
