//! Looking up orders, so that an id that makes the API fail affects no other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use onramp_webhooks::event::OrderId;

use crate::error::{ClientError, ClientErrorKind};
use crate::wert::query::MAX_PAGE_SIZE;
use crate::wert::{OrderRow, OrdersQuery, WertDataApi};

/// The result of looking up an order.
#[derive(Clone)]
pub(in crate::wert) enum Lookup {
    Found(Box<OrderRow>),
    Unknown,
    /// The request failed, but the provider responds to others.
    OrderFailed(Arc<ClientError>),
    ProviderFailed(Arc<ClientError>),
}

/// The results of the requests so far.
#[derive(Default)]
pub(in crate::wert) struct Lookups {
    orders: BTreeMap<OrderId, Lookup>,
    /// The error after which no further request is made.
    pub(in crate::wert) unavailable: Option<Arc<ClientError>>,
}

impl Lookups {
    /// Looks up orders with one request for every 20. A request that fails although the provider responds is repeated for both halves
    /// of its orders, and so on, at most 10 times: enough to find one id that makes it fail.
    pub(in crate::wert) async fn find(&mut self, api: &WertDataApi, ids: &[OrderId]) {
        for ids in ids.chunks(MAX_PAGE_SIZE) {
            let Some(error) = self.ask(api, ids).await else { continue };
            if may_be_the_provider(&error) && !responds(api).await {
                self.fail(ids, error);
            } else {
                self.bisect(&api.without_retries(), ids, error).await;
            }
        }
    }

    pub(in crate::wert) fn get(&self, id: &OrderId) -> Option<&Lookup> {
        self.orders.get(id)
    }

    /// Makes a request, unless the provider is unavailable. Returns the error if one of the orders may be its cause.
    async fn ask(&mut self, api: &WertDataApi, ids: &[OrderId]) -> Option<Arc<ClientError>> {
        if let Some(error) = self.unavailable.clone() {
            self.fail(ids, error);
            return None;
        }
        match api.find_orders(ids).await {
            Ok(rows) => self.note(ids, |id| rows.get(id).map_or(Lookup::Unknown, |row| Lookup::Found(Box::new(row.clone())))),
            Err(error) if error.is_request_specific() || may_be_the_provider(&error) => return Some(Arc::new(error)),
            Err(error) => self.fail(ids, Arc::new(error)),
        }
        None
    }

    /// Makes no further request.
    fn fail(&mut self, ids: &[OrderId], error: Arc<ClientError>) {
        self.note(ids, |_| Lookup::ProviderFailed(Arc::clone(&error)));
        self.unavailable = Some(error);
    }

    /// Asks about the halves of the orders, then about the halves of those that fail, the largest first.
    async fn bisect(&mut self, api: &WertDataApi, ids: &[OrderId], error: Arc<ClientError>) {
        let mut splits = ids.len().next_power_of_two().ilog2();
        let mut failed = VecDeque::from([(ids, error)]);
        while let Some((ids, error)) = failed.pop_front() {
            if ids.len() < 2 || splits == 0 {
                self.note(ids, |_| Lookup::OrderFailed(Arc::clone(&error)));
                continue;
            }
            splits -= 1;
            let (first, second) = ids.split_at(ids.len() / 2);
            for half in [first, second] {
                failed.extend(self.ask(api, half).await.map(|error| (half, error)));
            }
        }
    }

    fn note(&mut self, ids: &[OrderId], mut lookup: impl FnMut(&OrderId) -> Lookup) {
        self.orders.extend(ids.iter().map(|id| (id.clone(), lookup(id))));
    }
}

/// Returns `true` if the cause may be the provider or one of the orders.
fn may_be_the_provider(error: &ClientError) -> bool {
    matches!(error.kind(), ClientErrorKind::ProviderFailed | ClientErrorKind::Refused) && error.retry_after().is_none()
}

/// Makes a request that depends on no order.
async fn responds(api: &WertDataApi) -> bool {
    api.without_retries().orders(&OrdersQuery::new().limit(1)).await.is_ok()
}
