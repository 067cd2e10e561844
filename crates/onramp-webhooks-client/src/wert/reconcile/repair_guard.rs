//! The guard against repairs that could cause a purchase to be handled twice.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

use onramp_webhooks::inbox::{DeliveryId, Filter, Record, find_first};
use onramp_webhooks::provider::ProviderEvent as _;
use onramp_webhooks::wert::{ClickId, completed_order};
use onramp_webhooks::{StoreError, WertEvent};
use serde_json::Value;

use super::order::purchase_of;
use super::{OrderRow, Reconciler};
use crate::wert::Difference;

/// The time before the oldest order in which a completion without an order id counts, because clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3_600);

/// Maximum number of missing orders that are searched at all endpoints, because a search reads the whole inbox. If the endpoint is
/// wrong, the first search already finds an order elsewhere.
const MAX_SEARCHES: u32 = 20;

/// Maximum number of completions without an order id that are compared with missing orders. If there are more, no order is repaired.
const MAX_UNIDENTIFIED: usize = 1_000;

/// Number of deliveries on a page.
const PAGE_SIZE: usize = 500;

/// A guard that prevents repairs if an order that seems to be missing may have been received.
#[derive(Debug)]
pub(super) struct RepairGuard {
    /// The time from which on missing orders are repaired.
    beginning: Timestamp,
    /// The creation of the oldest order.
    since: Timestamp,
    unidentified: Vec<Unidentified>,
    /// The newest delivery that was searched for such events.
    newest: Option<DeliveryId>,
    searches: u32,
    /// The endpoint that received an order that is missing here.
    other_endpoint: Option<String>,
}

impl RepairGuard {
    pub(super) const fn new(beginning: Timestamp, since: Timestamp) -> Self {
        Self { beginning, since, unidentified: Vec::new(), newest: None, searches: 0, other_endpoint: None }
    }

    /// Returns `true` if more missing orders should be searched at all endpoints.
    pub(super) const fn needs_search(&self) -> bool {
        self.other_endpoint.is_none() && self.searches < MAX_SEARCHES
    }

    /// Searches a missing order at all endpoints.
    pub(super) async fn search(&mut self, reconciler: &Reconciler, row: &OrderRow) -> Result<(), StoreError> {
        if !self.needs_search() {
            return Ok(());
        }
        let anywhere = Filter::all().about(row.order_id.as_str()).event_type("order_complete");
        let found = find_first(&*reconciler.inbox, anywhere).await?;
        self.searches += 1;
        let other = found.filter(|record| *record.endpoint != *reconciler.endpoint);
        self.other_endpoint = other.map(|record| record.endpoint.to_string());
        Ok(())
    }

    /// Returns the reason not to repair, or `None` if a repair is safe.
    pub(super) async fn objection(&mut self, reconciler: &Reconciler, row: &OrderRow) -> Result<Option<String>, StoreError> {
        if row.created_at.is_none_or(|created| created < self.beginning) {
            return Ok(Some(
                "it is older than this inbox, and another inbox may have received it (Reconciler::repair_since, --repair-since)"
                    .to_owned(),
            ));
        }
        self.find_unidentified(reconciler).await?;
        if self.unidentified.len() > MAX_UNIDENTIFIED || self.unidentified.iter().any(|event| event.may_be(reconciler, row)) {
            return Ok(Some("a completion event without an order id was received, and may belong to this order".to_owned()));
        }
        let objection =
            |other| format!("orders that are missing here were received at the endpoint {other:?}; is the endpoint right?");
        Ok(self.other_endpoint.as_ref().map(objection))
    }

    /// Finds the completion events without an order id. They cannot be matched with an order, and a later one could be handled in addition
    /// to a synthetic delivery. Examines each delivery only once.
    async fn find_unidentified(&mut self, reconciler: &Reconciler) -> Result<(), StoreError> {
        let since = self.since.before(CLOCK_SKEW);
        let mut next = Some(Filter::all().endpoint(&*reconciler.endpoint).event_type("order_complete").limit(PAGE_SIZE));
        let (seen, mut newest) = (self.newest, self.newest);
        let mut found = Vec::new();
        while let Some(filter) = next.filter(|_| self.unidentified.len() + found.len() <= MAX_UNIDENTIFIED) {
            let page = reconciler.inbox.list(filter.clone()).await?;
            newest = newest.max(page.records.first().map(|record| record.id));
            let is_new = |record: &&Record| seen.is_none_or(|seen| record.id > seen) && record.received_at >= since;
            // A page without records is one of many deliveries of other types.
            let is_last_page = !page.records.is_empty() && !page.records.iter().any(|record| is_new(&record));
            let is_unidentified =
                |record: &&Record| record.key.as_ref().is_none_or(|key| completed_order(&reconciler.endpoint, key).is_none());
            for record in page.records.iter().filter(is_new).filter(is_unidentified) {
                let record = reconciler.inbox.show(record.id).await?;
                found.extend(record.and_then(|record| Unidentified::of(record.body.as_deref())));
            }
            if is_last_page {
                break;
            }
            next = filter.following(&page);
        }
        self.unidentified.extend(found);
        self.newest = newest;
        Ok(())
    }
}

/// A completion event without an order id.
#[derive(Debug)]
enum Unidentified {
    Event(Box<WertEvent>),
    /// An event that is in quarantine, with its click id.
    Unreadable(Option<ClickId>),
    /// An event whose body was removed.
    Forgotten,
}

impl Unidentified {
    /// Returns the event of a delivery whose key names no order, or `None` if its body names one: when a later version reads such an event,
    /// it has the key of that order.
    fn of(body: Option<&[u8]>) -> Option<Self> {
        let Some(body) = body else { return Some(Self::Forgotten) };
        if let Ok(event) = WertEvent::read(body) {
            return Some(Self::Event(Box::new(event)));
        }
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: Option<&Value>| match value? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let names_order = text(event.pointer("/order/id")).is_some();
        (!names_order).then(|| Self::Unreadable(text(event.get("click_id")).map(ClickId::from)))
    }

    /// Returns `true` if the event may be that of an order. If its money is unclear, the customers decide.
    fn may_be(&self, reconciler: &Reconciler, row: &OrderRow) -> bool {
        let contradicts = |difference: &Difference| !matches!(difference, Difference::Address);
        match self {
            Self::Event(event) => match purchase_of(event, row) {
                Ok(Some(purchase)) => !reconciler.api.differences(&purchase, row).iter().any(contradicts),
                _ => event.click_id == row.click_id,
            },
            Self::Unreadable(click_id) => *click_id == row.click_id,
            Self::Forgotten => true,
        }
    }
}
