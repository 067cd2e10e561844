//! Quarantined deliveries: those that may report purchases, and others.

use super::item::{Item, ItemKind, quoted};
use super::scan::scan;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, Record, State, Tally};
use crate::masking::masked;
use crate::provider::Providers;

/// Lists the problems in quarantine.
pub(super) async fn items(inbox: &dyn Inbox, providers: &Providers) -> Result<Vec<Item>, StoreError> {
    let filter = || Filter::all().state(State::Quarantined).resolved(false);
    let (mut purchases, mut others) = (Found::default(), Found::default());
    let purchase_types: Vec<&str> = providers.purchase_types().collect();
    let has_more = scan(inbox, filter().with_bodies(), |record| {
        let is_purchase = record.event_type.as_deref().is_some_and(|event_type| purchase_types.contains(&event_type));
        if is_purchase { purchases.add(record, providers) } else { others.add(record, providers) }
    })
    .await?;
    let found = [(ItemKind::QuarantinedPurchases, purchases), (ItemKind::Quarantined, others)];
    Ok(found.into_iter().filter_map(|(kind, found)| found.item(kind, has_more, filter())).collect())
}

#[derive(Default)]
struct Found {
    tally: Tally,
    /// The type and the reason of the newest one.
    newest: Option<(Option<String>, String)>,
    /// `true` if all have the type of the newest one.
    are_one_type: bool,
}

impl Found {
    fn add(&mut self, record: &Record, providers: &Providers) {
        self.tally.add(record, providers);
        match &self.newest {
            Some((event_type, _)) => self.are_one_type = self.are_one_type && *event_type == record.event_type,
            None => {
                let note = record.note.as_deref().unwrap_or_default();
                let reason = record.body.as_ref().map(|body| masked(providers, &record.provider, body).scrub(note));
                self.newest = Some((record.event_type.clone(), reason.unwrap_or_default()));
                self.are_one_type = true;
            }
        }
    }

    fn item(self, kind: ItemKind, has_more: bool, mut filter: Filter) -> Option<Item> {
        let ((event_type, reason), id) = self.newest.zip(self.tally.newest)?;
        let detail = event_type.iter().fold(reason.clone(), |reason, event_type| format!("{event_type}: {reason}"));
        let is_one = self.tally.deliveries == 1;
        let detail = if is_one { detail } else { format!("the newest: {detail}") };
        let one_type = event_type.filter(|name| self.are_one_type && !name.chars().any(char::is_control));
        let command = match &one_type {
            _ if is_one => format!("inbox show {id}"),
            Some(event_type) => format!("inbox list --state quarantined --type {}", quoted(event_type)),
            None => "inbox list --state quarantined".to_owned(),
        };
        filter.event_type = one_type;
        Some(Item { kind, tally: self.tally, has_more, detail, filter, command })
    }
}
