//! Finding orders by id.

use std::collections::BTreeMap;

use onramp_webhooks::event::OrderId;
use onramp_webhooks::wert::ClickId;

use super::query::MAX_PAGE_SIZE;
use super::{OrderRow, OrdersPager, OrdersQuery, WertDataApi};
use crate::error::ClientError;

/// The page limit of a search. An id can be the order id of one order and the click id of others, so there can be several pages.
const MAX_PAGES: u32 = 50;

impl WertDataApi {
    /// Returns the orders with these ids, with one request for every 20. Cancel-safe.
    ///
    /// Ids that Wert does not know are left out. Orders that match only by their click id are left out as well, because a visitor of your
    /// page can choose the click id.
    ///
    /// # Errors
    /// Fails as [`OrdersPager::next_page`](super::OrdersPager::next_page) does, with the first request that fails.
    pub async fn find_orders(&self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, OrderRow>, ClientError> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(MAX_PAGE_SIZE) {
            found.extend(self.find_chunk(ids).await?);
        }
        Ok(found)
    }

    /// Returns the order with this id, or `None` if Wert does not know it. Cancel-safe.
    ///
    /// # Errors
    /// Fails as [`find_orders`](Self::find_orders) does.
    pub async fn find_order(&self, id: &OrderId) -> Result<Option<OrderRow>, ClientError> {
        Ok(self.find_chunk(std::slice::from_ref(id)).await?.remove(id))
    }

    /// Returns all orders with this click id, the newest first. Cancel-safe.
    ///
    /// # Errors
    /// Fails as [`find_orders`](Self::find_orders) does.
    pub async fn find_by_click(&self, id: &ClickId) -> Result<Vec<OrderRow>, ClientError> {
        let mut pager = self.search(std::iter::once(id.as_str()));
        let mut found = Vec::new();
        while let Some(rows) = pager.next_page().await? {
            found.extend(rows.into_iter().filter(|row| row.click_id.as_ref() == Some(id)));
        }
        Ok(found)
    }

    /// Finds at most 20 orders.
    async fn find_chunk(&self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, OrderRow>, ClientError> {
        let mut pager = self.search(ids.iter().map(OrderId::as_str));
        let mut found = BTreeMap::new();
        while !ids.iter().all(|id| found.contains_key(id)) {
            let Some(rows) = pager.next_page().await? else { break };
            found.extend(rows.into_iter().filter(|row| ids.contains(&row.order_id)).map(|row| (row.order_id.clone(), row)));
        }
        Ok(found)
    }

    fn search<'a>(&self, terms: impl Iterator<Item = &'a str>) -> OrdersPager {
        self.pager(terms.fold(OrdersQuery::new().max_pages(MAX_PAGES), OrdersQuery::search))
    }
}
