//! Asking Wert whether a purchase is real, before anything is given for it.

mod difference;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use onramp_webhooks::event::{ClickId, CompletedPurchase, OrderId};

pub use self::difference::{Difference, differences};
pub use self::verdict::Verdict;
use super::query::LARGEST_PAGE;
use super::{OrderRow, WertDataApi};
use crate::error::{ClientError, ClientErrorKind};

impl WertDataApi {
    /// What Wert says of these purchases, in their order; 20 orders a request. Of other providers' purchases it says nothing of use.
    ///
    /// A purchase without an order id, which old events lack, is looked for by its click id, and confirmed only if exactly one order
    /// of that click is like it in everything. That order then confirms every such event: whoever pays for them has to pay once for it.
    /// [`Confirmation`](super::Confirmation) refuses them.
    ///
    /// When Wert cannot be asked, that is the verdict of all purchases that were not answered by then. Takes at most the
    /// [deadline](crate::ApiBuilder::deadline) for each request that is answered, and for one that is not. Cancel-safe.
    pub async fn confirm(&self, purchases: &[CompletedPurchase]) -> Vec<Verdict> {
        let ids: Vec<OrderId> = purchases.iter().filter_map(|purchase| purchase.order.clone()).collect();
        let mut said = Said::default();
        for ids in ids.chunks(LARGEST_PAGE) {
            let answer = match &said.away {
                Some(error) => Err(Arc::clone(error)),
                None => said.heard(self.find_orders(ids).await),
            };
            said.rows.extend(ids.iter().map(|id| (id.clone(), answer.clone().map(|mut rows| rows.remove(id)))));
        }
        let mut verdicts = Vec::with_capacity(purchases.len());
        for purchase in purchases {
            verdicts.push(match &purchase.order {
                Some(id) => said.of_order(id, purchase),
                None => self.confirm_by_click(&mut said, purchase).await,
            });
        }
        verdicts
    }

    async fn confirm_by_click(&self, said: &mut Said, purchase: &CompletedPurchase) -> Verdict {
        let Some(click) = purchase.customer.primary().map(ClickId::from) else { return Verdict::Unknown };
        let answer = match &said.away {
            Some(error) => Err(Arc::clone(error)),
            None => said.heard(self.find_by_click(&click).await),
        };
        match answer {
            Ok(rows) => Verdict::among(purchase, &rows),
            Err(error) => Verdict::ProviderAway(error),
        }
    }
}

type Answer<T> = Result<T, Arc<ClientError>>;

/// What was heard so far.
#[derive(Default)]
struct Said {
    rows: BTreeMap<OrderId, Answer<Option<OrderRow>>>,
    /// Why there is no use in asking on.
    away: Option<Arc<ClientError>>,
}

impl Said {
    fn heard<T>(&mut self, answer: Result<T, ClientError>) -> Answer<T> {
        use ClientErrorKind::{Contradiction, EndlessPages, Invalid, Misfit, TooLarge};
        let answer = answer.map_err(Arc::new);
        // What is wrong with one question or its answer says nothing of the next.
        let about_this_one =
            |error: &&Arc<ClientError>| matches!(error.kind(), Contradiction | EndlessPages | Invalid | Misfit | TooLarge);
        self.away = answer.as_ref().err().filter(|error| !about_this_one(error)).cloned();
        answer
    }

    fn of_order(&self, id: &OrderId, purchase: &CompletedPurchase) -> Verdict {
        match self.rows.get(id) {
            Some(Ok(row)) => Verdict::of(purchase, row.as_ref()),
            Some(Err(error)) => Verdict::ProviderAway(Arc::clone(error)),
            None => Verdict::Unknown,
        }
    }
}
