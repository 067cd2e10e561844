//! An inbox that cannot record deliveries.

use std::time::Duration;

use super::item::{Item, ItemKind};
use crate::error::{StoreError, StoreErrorKind};
use crate::inbox::{Filter, Inbox, Tally};
use crate::timeout::within;

/// Time limit of the look at the space.
const LONGEST_READ: Duration = Duration::from_secs(2);

/// Returns the problem of an inbox whose [check](crate::Inbox::check) has failed with `error`: until it is mended, it records no delivery.
/// The [space](crate::Inbox::space) that it takes is shown if it is full.
///
/// It is not part of [`attention`](super::attention), because a program that only reads an inbox cannot check it.
pub async fn cannot_record(inbox: &dyn Inbox, error: &StoreError) -> Item {
    let advice = match error.kind() {
        StoreErrorKind::Full => "Free some space: until then, only a spill can record events.",
        StoreErrorKind::ReadOnly => {
            "Let the user of the shop write, and do not use a read-only replica or a read-only file system."
        }
        StoreErrorKind::Unavailable => "Find the program that holds a lock, or the reason why the server does not answer.",
        _ => "Check DATABASE_URL, the permissions, and that the shop has the version of this program.",
    };
    let space = match error.kind() {
        StoreErrorKind::Full => within(LONGEST_READ, "read the space", inbox.space()).await.ok().flatten(),
        _ => None,
    };
    let taken = space.map(|space| format!(" The inbox takes: {space}.")).unwrap_or_default();
    Item {
        kind: ItemKind::CannotRecord { error: error.kind() },
        tally: Tally::default(),
        has_more: false,
        detail: format!("{advice}{taken}"),
        filter: Filter::all(),
        command: "doctor".to_owned(),
    }
}
