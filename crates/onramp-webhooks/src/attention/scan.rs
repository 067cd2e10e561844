//! Looking at the deliveries of a filter, up to a bound.

use crate::error::StoreError;
use crate::inbox::{Filter, Inbox, Record};

/// Maximum number of deliveries of one kind that are looked at.
pub(super) const MOST: usize = 10_000;

/// Calls `look` for the deliveries of a filter. Returns whether there may be more of them than were looked at.
pub(super) async fn scan(inbox: &dyn Inbox, filter: Filter, mut look: impl FnMut(&Record) + Send) -> Result<bool, StoreError> {
    let mut seen = 0;
    let mut next = Some(filter.limit(1_000));
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await?;
        page.records.iter().for_each(&mut look);
        seen += page.records.len();
        next = filter.following(&page);
        if next.is_some() && seen >= MOST {
            return Ok(true);
        }
    }
    Ok(false)
}
