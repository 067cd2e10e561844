//! Which orders to ask for.

use std::fmt;

use onramp_webhooks::clock::Timestamp;

use super::Position;
use crate::error::{ClientError, ClientErrorKind};
use crate::times;

/// The most orders on a page, and the most ids in a search.
pub(super) const LARGEST_PAGE: usize = 20;

/// More pages than this are taken for a fault.
const MOST_PAGES: u32 = 10_000;

/// Which orders to ask for: those that fit everything that is set.
///
/// Without anything set, these are all orders, the newest first.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrdersQuery {
    /// Orders on a page, 0 to 20.
    pub limit: usize,
    /// The oldest first; else, the newest.
    pub oldest_first: bool,
    /// Only orders made after this second.
    pub after: Option<Timestamp>,
    /// Only orders made up to this second.
    pub until: Option<Timestamp>,
    /// Pages that a walk asks for at most, before it takes the provider for broken.
    pub most_pages: u32,
    pub(super) terms: Vec<String>,
}

impl Default for OrdersQuery {
    fn default() -> Self {
        Self { limit: LARGEST_PAGE, oldest_first: false, after: None, until: None, most_pages: MOST_PAGES, terms: Vec::new() }
    }
}

impl OrdersQuery {
    /// All orders, the newest first, 20 a page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many orders a page, 0 to 20. Default 20.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// The oldest first. For walks: new orders then appear at the end, and move nothing that was not read yet.
    #[must_use]
    pub fn oldest_first(self) -> Self {
        Self { oldest_first: true, ..self }
    }

    /// Only orders made after `time`, which counts in whole seconds.
    #[must_use]
    pub fn after(self, time: Timestamp) -> Self {
        Self { after: Some(time), ..self }
    }

    /// Only orders made up to `time`, which counts in whole seconds.
    #[must_use]
    pub fn until(self, time: Timestamp) -> Self {
        Self { until: Some(time), ..self }
    }

    /// Only orders that this finds (or something else that was asked for): an order id, a click id, or an external order id. At
    /// most 20.
    #[must_use]
    pub fn search(mut self, term: impl Into<String>) -> Self {
        self.terms.push(term.into());
        self
    }

    /// A walk over more pages than this ends with [`EndlessPages`](ClientErrorKind::EndlessPages). Default 10 000.
    #[must_use]
    pub fn most_pages(self, pages: u32) -> Self {
        Self { most_pages: pages, ..self }
    }

    /// The parameters of the query, from `position` on.
    pub(super) fn parameters(
        &self,
        doing: &'static str,
        position: &Position,
    ) -> Result<Vec<(&'static str, String)>, ClientError> {
        let invalid = |detail: &'static str| ClientError::new(ClientErrorKind::Invalid, doing).detail(detail);
        if self.limit > LARGEST_PAGE {
            return Err(invalid("limit: at most 20"));
        }
        if self.terms.len() > LARGEST_PAGE {
            return Err(invalid("search: at most 20"));
        }
        if self.terms.iter().any(|term| term.trim().is_empty() || term.contains(',')) {
            return Err(invalid("search: an id is empty, or has a comma, which separates ids"));
        }
        let date = |time: Timestamp| times::format(time).ok_or_else(|| invalid("a date has a year that cannot be written"));
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

/// Leaves out what is searched for: a click id names a person.
impl fmt::Debug for OrdersQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrdersQuery")
            .field("limit", &self.limit)
            .field("oldest_first", &self.oldest_first)
            .field("after", &self.after)
            .field("until", &self.until)
            .field("most_pages", &self.most_pages)
            .finish_non_exhaustive()
    }
}
