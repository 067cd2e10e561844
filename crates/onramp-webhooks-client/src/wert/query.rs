//! The filter and order of a query.

use std::fmt;

use onramp_webhooks::clock::Timestamp;

use super::{Position, timestamp};
use crate::error::{ClientError, ClientErrorKind};

/// The largest number of orders on a page and of ids in a search.
pub(super) const MAX_PAGE_SIZE: usize = 20;

/// The default limit of pages. A larger number is assumed to be a fault of the provider.
const MAX_PAGES: u32 = 10_000;

/// A query for the orders that match all of its criteria. The default query returns all orders, the newest first.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrdersQuery {
    /// The number of orders on a page, 0 to 20.
    pub limit: usize,
    /// `true` for the oldest orders first, `false` for the newest first.
    pub oldest_first: bool,
    /// Only orders created after this second.
    pub after: Option<Timestamp>,
    /// Only orders created up to and including this second.
    pub until: Option<Timestamp>,
    /// The number of pages after which a pager assumes that the provider is broken, and fails.
    pub max_pages: u32,
    pub(super) terms: Vec<String>,
}

impl Default for OrdersQuery {
    fn default() -> Self {
        Self { limit: MAX_PAGE_SIZE, oldest_first: false, after: None, until: None, max_pages: MAX_PAGES, terms: Vec::new() }
    }
}

impl OrdersQuery {
    /// Creates a query for all orders, the newest first, with 20 on a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of orders on a page, 0 to 20. Default: 20.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Sorts the oldest orders first. With a pager, orders that are created meanwhile then appear at the end and do not shift the pages.
    #[must_use]
    pub fn oldest_first(self) -> Self {
        Self { oldest_first: true, ..self }
    }

    /// Keeps only orders created after `time`, which is rounded down to a second.
    #[must_use]
    pub fn after(self, time: Timestamp) -> Self {
        Self { after: Some(time), ..self }
    }

    /// Keeps only orders created up to and including `time`, which is rounded down to a second.
    #[must_use]
    pub fn until(self, time: Timestamp) -> Self {
        Self { until: Some(time), ..self }
    }

    /// Keeps only orders that match one of the search terms, of which there are at most 20. A term is an order id, a click id or an external
    /// order id. It is not empty and has no comma.
    #[must_use]
    pub fn search(mut self, term: impl Into<String>) -> Self {
        self.terms.push(term.into());
        self
    }

    /// Sets the number of pages after which a pager fails with [`EndlessPages`](ClientErrorKind::EndlessPages). Default: 10 000.
    #[must_use]
    pub fn max_pages(self, pages: u32) -> Self {
        Self { max_pages: pages, ..self }
    }

    /// Returns the URL parameters for the page at `position`.
    pub(super) fn parameters(
        &self,
        operation: &'static str,
        position: &Position,
    ) -> Result<Vec<(&'static str, String)>, ClientError> {
        let invalid = |detail: &'static str| ClientError::new(ClientErrorKind::Invalid, operation).with_detail(detail);
        if self.limit > MAX_PAGE_SIZE {
            return Err(invalid("limit: at most 20"));
        }
        if self.terms.len() > MAX_PAGE_SIZE {
            return Err(invalid("search: at most 20"));
        }
        if !self.terms.iter().all(|term| is_search_term(term)) {
            return Err(invalid("search: an id is empty or contains a comma, which separates ids"));
        }
        let date =
            |time: Timestamp| timestamp::format(time).ok_or_else(|| invalid("the year of a date does not have four digits"));
        let mut parameters = vec![("limit", self.limit.to_string())];
        match position {
            Position::Cursor(cursor) => parameters.push(("cursor_id", cursor.clone())),
            Position::Offset(offset) => parameters.push(("offset", offset.to_string())),
            Position::Start | Position::End => {}
        }
        parameters.push(("order_by", if self.oldest_first { "asc" } else { "desc" }.to_owned()));
        if !self.terms.is_empty() {
            parameters.push(("search_by", self.terms.join(",")));
        }
        if let Some(after) = self.after {
            parameters.push(("start_date", date(after)?));
        }
        if let Some(until) = self.until {
            parameters.push(("end_date", date(until)?));
        }
        Ok(parameters)
    }
}

/// Returns `true` if an id can be searched for. A comma would split it into several ids.
pub(super) fn is_search_term(id: &str) -> bool {
    !id.trim().is_empty() && !id.contains(',')
}

/// Returns `true` if an id has the form of Wert's order ids, `[A-Za-z0-9_-]{1,64}`. Any other id is forged, and could be as long as an event
/// or make the API fail.
pub(super) fn is_order_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Leaves out the search terms, because a click id is personal data.
impl fmt::Debug for OrdersQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrdersQuery")
            .field("limit", &self.limit)
            .field("oldest_first", &self.oldest_first)
            .field("after", &self.after)
            .field("until", &self.until)
            .field("max_pages", &self.max_pages)
            .finish_non_exhaustive()
    }
}
