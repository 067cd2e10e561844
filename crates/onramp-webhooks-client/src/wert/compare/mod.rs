//! Comparing completed purchases with Wert's orders.

mod amounts;
mod codes;
mod difference;
mod lookup;
mod verdict;

use std::sync::Arc;

use onramp_webhooks::event::{CompletedPurchase, OrderId};
use onramp_webhooks::wert::ClickId;

pub(super) use self::codes::CryptoCodes;
pub use self::difference::Difference;
pub(super) use self::lookup::{Lookup, Lookups};
pub use self::verdict::Verdict;
use super::query::is_order_id;
use super::{OrderRow, WertDataApi};

impl WertDataApi {
    /// States that two codes name the same crypto, in addition to [those that are known](#method.differences).
    #[must_use]
    pub fn alias(mut self, code: &str, other: &str) -> Self {
        self.codes.alias(code, other);
        self
    }

    /// Returns the differences between a purchase and Wert's order, whose status is [final](super::OrderStatus::is_final). Empty if
    /// they agree.
    ///
    /// - The status must be a success.
    /// - Fiat and crypto must be present and equal. The customer must be equal, or missing in both. The order id must be equal if the
    ///   purchase has one.
    /// - Address and transaction, which the Data API does not document, are compared if both sides have them. Case is ignored in
    ///   hexadecimal ones.
    /// - Amounts must be equal, or the order's amount has fewer decimals and the event's amount rounds to it: half up, as floats do,
    ///   and by one percent at most. An amount that is cut off instead differs. The paid amount has at least the decimals of its
    ///   currency: 1 USD is 1.00 USD.
    /// - Currency codes must be equal, ignoring case. The code of a crypto may have Wert's internal form, `CODE.sc.NETWORK`:
    ///   `matic.sc.polygon` is `MATIC`. `MATIC` and `POL` are the same crypto, and so are `ETHSC` and `ETH`;
    ///   [`alias`](Self::alias) adds others.
    #[must_use]
    pub fn differences(&self, purchase: &CompletedPurchase, row: &OrderRow) -> Vec<Difference> {
        difference::differences(&self.codes, purchase, row)
    }

    /// Compares purchases with Wert's orders, and returns one verdict for each purchase, in the same order. Makes one request for every
    /// 20 orders. Only purchases from Wert have a meaningful verdict.
    ///
    /// A purchase whose order id does not have the form of Wert's ids gets the verdict [`InvalidOrderId`](Verdict::InvalidOrderId)
    /// without a request.
    ///
    /// A purchase without an order id, as in events of older versions, is searched by its click id, and is confirmed only if
    /// exactly one order with that click id agrees. One order confirms every such event, so a single payment can confirm several
    /// events. [`Confirmation`](super::Confirmation) therefore refuses purchases without an order id.
    ///
    /// If a request fails although Wert responds, it is repeated for halves of its orders, at most 10 times. Purchases for whose orders it
    /// still fails get the verdict [`OrderUnavailable`](Verdict::OrderUnavailable): one of their ids may be the cause.
    ///
    /// If Wert becomes unavailable, all remaining purchases get the verdict [`ProviderUnavailable`](Verdict::ProviderUnavailable) without a
    /// request. Each request takes at most one [deadline](crate::ApiBuilder::deadline). Cancel-safe.
    pub async fn confirm(&self, purchases: &[CompletedPurchase]) -> Vec<Verdict> {
        let ids: Vec<OrderId> =
            purchases.iter().filter_map(|purchase| purchase.order.clone()).filter(|id| is_order_id(id.as_str())).collect();
        let mut lookups = Lookups::default();
        lookups.find(self, &ids).await;
        let mut verdicts = Vec::with_capacity(purchases.len());
        for purchase in purchases {
            verdicts.push(match &purchase.order {
                Some(id) if !is_order_id(id.as_str()) => Verdict::InvalidOrderId,
                Some(id) => Verdict::of_lookup(&self.codes, purchase, lookups.get(id)),
                None => self.confirm_by_click(&mut lookups, purchase).await,
            });
        }
        verdicts
    }

    async fn confirm_by_click(&self, lookups: &mut Lookups, purchase: &CompletedPurchase) -> Verdict {
        let Some(click) = purchase.customer.primary().map(ClickId::from) else { return Verdict::Unknown };
        if let Some(error) = &lookups.unavailable {
            return Verdict::ProviderUnavailable(Arc::clone(error));
        }
        match self.find_by_click(&click).await.map_err(Arc::new) {
            Ok(rows) => Verdict::of_candidates(&self.codes, purchase, &rows),
            Err(error) if error.is_request_specific() => Verdict::OrderUnavailable(error),
            Err(error) => {
                lookups.unavailable = Some(Arc::clone(&error));
                Verdict::ProviderUnavailable(error)
            }
        }
    }
}
