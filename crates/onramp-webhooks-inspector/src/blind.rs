//! Lists for those who see masked data only. No condition is compared with what they do not see, because they could guess it.

use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::{Filter, Inbox, Page, Record};
use onramp_webhooks::provider::Providers;

use crate::view::Seen;

/// Maximum number of pages that are read for one list.
const MOST_PAGES: usize = 10;

/// Number of deliveries that are read at once.
const READ_AT_ONCE: usize = 100;

/// Returns a page of the deliveries that match `filter` as far as they are shown: a masked note has to contain the error, and a hidden subject
/// is about nothing.
pub(crate) async fn list(inbox: &dyn Inbox, providers: &Providers, mut filter: Filter) -> Result<Page, StoreError> {
    let error = filter.error.take();
    let needs_subject = filter.about.is_some() || filter.order.is_some();
    if error.is_none() && !needs_subject {
        return inbox.list(filter.with_bodies()).await;
    }
    let is_shown = |record: &Record| {
        let seen = Seen::masked(record, providers);
        error.as_ref().is_none_or(|error| seen.note().is_some_and(|note| note.contains(error)))
            && (!needs_subject || seen.subject().is_some())
    };
    let (wanted, mut found, mut stopped_at) = (filter.clone(), Vec::new(), None);
    let mut next = Some(filter.limit(READ_AT_ONCE).with_bodies());
    for _ in 0..MOST_PAGES {
        let Some(filter) = next else { break };
        let page = inbox.list(filter.clone()).await?;
        stopped_at = page.next.zip(page.searched_to);
        next = filter.following(&page);
        found.extend(page.records.into_iter().filter(is_shown));
        if found.len() >= wanted.page_size() {
            found.truncate(wanted.page_size());
            break;
        }
    }
    Ok(Page::new(&wanted, found, stopped_at))
}
