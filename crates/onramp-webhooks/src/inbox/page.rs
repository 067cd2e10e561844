//! Pages of lists, and how one follows another.

use super::{Filter, Inbox, Record};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::error::StoreError;

/// A page of the deliveries that match a [`Filter`].
///
/// A page ends when it is full, when [as many deliveries](Filter::most_searched) were looked at as one call may, or when its
/// [bodies](Filter::with_bodies) are large. So a page may have few
/// records, or none, and others follow. [`list_all`] reads all pages.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The deliveries, without their bodies unless the filter [wants](Filter::with_bodies) them.
    pub records: Vec<Record>,
    /// The delivery after which the next page begins, see [`Filter::following`]; `None` if everything was searched.
    pub next: Option<DeliveryId>,
    /// The arrival of that delivery, up to which everything was searched; `None` if everything was.
    pub searched_to: Option<Timestamp>,
}

impl Page {
    /// Creates the page for `filter` with `records`. `stopped_at` is the last delivery that was looked at, if others follow it.
    #[must_use]
    pub fn new(filter: &Filter, records: Vec<Record>, stopped_at: Option<(DeliveryId, Timestamp)>) -> Self {
        let last = records.last().filter(|_| records.len() >= filter.page_size()).map(|last| (last.id, last.received_at));
        let end = last.or(stopped_at);
        Self { records, next: end.map(|(id, _)| id), searched_to: end.map(|(_, arrival)| arrival) }
    }
}

/// Returns all deliveries that match `filter`, in its sequence. Reads them page by page; the limit of the filter is the size of a page.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn list_all(inbox: &dyn Inbox, filter: Filter) -> Result<Vec<Record>, StoreError> {
    let (mut all, mut next) = (Vec::new(), Some(filter));
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await?;
        next = filter.following(&page);
        all.extend(page.records);
    }
    Ok(all)
}

/// Returns the first delivery that matches `filter`, in its sequence; `None` if there is none.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn find_first(inbox: &dyn Inbox, filter: Filter) -> Result<Option<Record>, StoreError> {
    let mut next = Some(filter.limit(1));
    while let Some(filter) = next {
        let mut page = inbox.list(filter.clone()).await?;
        if let Some(first) = page.records.pop() {
            return Ok(Some(first));
        }
        next = filter.following(&page);
    }
    Ok(None)
}
