//! Completions that came without the order's id.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::wert::completed_order;
use onramp_webhooks::{Inbox, StoreError};

/// Deliveries on a page.
const PAGE: usize = 500;

/// Whether completions without the order's id came in. Nobody can tell which orders they are about, nor keep a later one from being
/// handled beside what was made here.
#[derive(Debug, Default)]
pub(super) struct Nameless {
    found: bool,
    /// All up to this one were looked at.
    seen: Option<DeliveryId>,
}

impl Nameless {
    /// Looks at what came in at `endpoint` after `since` and was not looked at before.
    pub(super) async fn look(&mut self, inbox: &dyn Inbox, endpoint: &str, since: Timestamp) -> Result<bool, StoreError> {
        let (mut filter, mut newest) = (Filter::all().endpoint(endpoint).event_type("order_complete").limit(PAGE), self.seen);
        while !self.found {
            let page = inbox.list(filter.clone()).await?;
            let Some(oldest) = page.last().map(|record| record.id) else { break };
            newest = newest.max(page.first().map(|record| record.id));
            let is_new = |record: &&Record| self.seen.is_none_or(|seen| record.id > seen) && record.received_at >= since;
            let mut new = page.iter().filter(is_new).peekable();
            let is_over = new.peek().is_none() || filter.before.is_some_and(|before| before <= oldest);
            self.found = new.any(|record| record.key.as_ref().is_none_or(|key| completed_order(endpoint, key).is_none()));
            if is_over {
                break;
            }
            filter.before = Some(oldest);
        }
        self.seen = newest;
        Ok(self.found)
    }
}
