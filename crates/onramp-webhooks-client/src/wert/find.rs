//! Orders by their ids.

use std::collections::BTreeMap;

use onramp_webhooks::event::{ClickId, OrderId};

use super::query::LARGEST_PAGE;
use super::{OrderRow, OrdersQuery, OrdersWalk, WertDataApi};
use crate::error::ClientError;

/// Pages that the answer to one search may have: an id can be that of an order, and the click id of others.
const MOST_PAGES: u32 = 50;

impl WertDataApi {
    /// The orders with these ids, 20 a request. Those that Wert does not know are not in the answer; orders that are only found
    /// because their click id, which your page's visitors can choose, is one of these ids are not, either.
    ///
    /// # Errors
    /// As [`OrdersWalk::next_page`](super::OrdersWalk::next_page), for the first request that fails.
    pub async fn find_orders(&self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, OrderRow>, ClientError> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(LARGEST_PAGE) {
            found.extend(self.find_at_once(ids).await?);
        }
        Ok(found)
    }

    /// The order with this id; `None` if Wert does not know it.
    ///
    /// # Errors
    /// As [`find_orders`](Self::find_orders).
    pub async fn find_order(&self, id: &OrderId) -> Result<Option<OrderRow>, ClientError> {
        Ok(self.find_at_once(std::slice::from_ref(id)).await?.remove(id))
    }

    /// The orders with this click id, the newest first: none, one, or several.
    ///
    /// # Errors
    /// As [`find_orders`](Self::find_orders).
    pub async fn find_by_click(&self, id: &ClickId) -> Result<Vec<OrderRow>, ClientError> {
        let mut walk = self.search(std::iter::once(id.as_str()));
        let mut found = Vec::new();
        while let Some(rows) = walk.next_page().await? {
            found.extend(rows.into_iter().filter(|row| row.click_id.as_ref() == Some(id)));
        }
        Ok(found)
    }

    /// At most 20.
    async fn find_at_once(&self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, OrderRow>, ClientError> {
        let mut walk = self.search(ids.iter().map(OrderId::as_str));
        let mut found = BTreeMap::new();
        while !ids.iter().all(|id| found.contains_key(id)) {
            let Some(rows) = walk.next_page().await? else { break };
            found.extend(rows.into_iter().filter(|row| ids.contains(&row.order_id)).map(|row| (row.order_id.clone(), row)));
        }
        Ok(found)
    }

    fn search<'a>(&self, terms: impl Iterator<Item = &'a str>) -> OrdersWalk {
        self.walk(terms.fold(OrdersQuery::new().most_pages(MOST_PAGES), OrdersQuery::search))
    }
}
