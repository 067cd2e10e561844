//! Endpoints whose provider may stop sending, or has stopped, as the running receivers say.

use super::item::{Item, ItemKind};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, Tally};
use crate::traffic;
use crate::watchdog::{self, Verdict};

pub(super) async fn items(inbox: &dyn Inbox, now: Timestamp) -> Result<Vec<Item>, StoreError> {
    let processes = traffic::processes(inbox).await?;
    let alarms = watchdog::endpoints(&processes, now).into_iter().filter_map(|status| {
        let kind = match status.verdict {
            Verdict::Refusing => ItemKind::Refusing,
            Verdict::Silent => ItemKind::Silent,
            // The deliveries themselves are listed.
            Verdict::Attention | Verdict::Fine => return None,
        };
        Some(Item {
            kind,
            tally: Tally::default(),
            has_more: false,
            detail: status.advice.unwrap_or_default(),
            filter: Filter::all().endpoint(&*status.name),
            command: "inbox stats --by endpoint".to_owned(),
        })
    });
    Ok(alarms.collect())
}
