//! Pagination with a guaranteed end.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use onramp_webhooks::event::OrderId;

use super::api::OPERATION;
use super::{OrderRow, OrdersQuery, Page, WertDataApi};
use crate::error::{ClientError, ClientErrorKind};

/// A pager over the orders that match a query.
///
/// Follows the cursors that the API returns. If the first page has no cursor although there are more orders, it continues by
/// offset, as older versions of the API require. It ends after the last page, or with
/// [`EndlessPages`](ClientErrorKind::EndlessPages) if a cursor occurs twice, if a page has a successor but no new orders, or if
/// there are more than [`max_pages`](OrdersQuery::max_pages).
///
/// Orders that appear again on a later page, because new ones have shifted them, are left out.
#[derive(Debug)]
pub struct OrdersPager {
    api: WertDataApi,
    query: OrdersQuery,
    position: Position,
    pages: u32,
    cursors: HashSet<String>,
    orders: HashSet<OrderId>,
}

/// The position of an [`OrdersPager`]. Can be stored as text to continue later with the same query.
///
/// ```
/// use onramp_webhooks_client::wert::Position;
///
/// let position: Position = "cursor:01KAQWBNWWGG06HR5T9Z35A3WD".parse()?;
/// assert_eq!(position.to_string(), "cursor:01KAQWBNWWGG06HR5T9Z35A3WD");
/// # Ok::<(), onramp_webhooks_client::wert::ParsePositionError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Position {
    /// Before the first page.
    #[default]
    Start,
    /// Before the page with this cursor.
    Cursor(String),
    /// After this number of orders.
    Offset(u64),
    /// After the last page.
    End,
}

impl OrdersPager {
    pub(super) fn new(api: WertDataApi, query: OrdersQuery) -> Self {
        Self { api, query, position: Position::Start, pages: 0, cursors: HashSet::new(), orders: HashSet::new() }
    }

    /// Continues at the position of another pager with the same query.
    #[must_use]
    pub fn starting_at(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Returns the position before the page that the next call requests.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Returns `true` if there are more pages than [`max_pages`](OrdersQuery::max_pages).
    pub(super) fn is_at_limit(&self) -> bool {
        self.position != Position::End && self.pages >= self.query.max_pages
    }

    /// Returns the orders of the next page that were on no earlier page, or `None` after the last page. The list can be empty.
    ///
    /// Cancel-safe: after an error or a dropped call, the position is unchanged, and the next call requests the same page.
    ///
    /// # Errors
    /// Returns every kind except [`NotStored`](ClientErrorKind::NotStored). After [`EndlessPages`](ClientErrorKind::EndlessPages),
    /// every further call returns it again.
    pub async fn next_page(&mut self) -> Result<Option<Vec<OrderRow>>, ClientError> {
        if self.position == Position::End {
            return Ok(None);
        }
        if self.is_at_limit() {
            return Err(endless(format!("more than {} pages", self.query.max_pages)));
        }
        let page = self.api.page(&self.query, &self.position).await?;
        let is_new = |row: &&OrderRow| !self.orders.contains(&row.order_id);
        let next = self.position_after(&page, page.rows.iter().filter(is_new).count())?;
        if let Position::Cursor(cursor) = &next {
            self.cursors.insert(cursor.clone());
        }
        self.position = next;
        self.pages += 1;
        let orders = &mut self.orders;
        Ok(Some(page.rows.into_iter().filter(|row| orders.insert(row.order_id.clone())).collect()))
    }

    /// Returns the position after a page with `new` orders.
    fn position_after(&self, page: &Page, new: usize) -> Result<Position, ClientError> {
        let next = match (&page.next_cursor, &self.position) {
            (Some(cursor), _) if self.is_known(cursor) => return Err(endless("a cursor occurred twice".to_owned())),
            (Some(cursor), _) => Position::Cursor(cursor.clone()),
            (None, Position::Cursor(_) | Position::End) => Position::End,
            (None, Position::Start) => self.offset_after(page, 0, new),
            (None, Position::Offset(offset)) => self.offset_after(page, *offset, new),
        };
        match next {
            Position::End => Ok(next),
            _ if new > 0 => Ok(next),
            _ => Err(endless("a page has a successor, but no new orders".to_owned())),
        }
    }

    fn offset_after(&self, page: &Page, offset: u64, new: usize) -> Position {
        let next = offset.saturating_add(page.rows.len().try_into().unwrap_or(u64::MAX));
        let more = match page.total {
            Some(total) => next < total,
            // Without a total, a full page may have a successor, unless the API ignores offsets.
            None => page.rows.len() == self.query.limit && new > 0,
        };
        if more { Position::Offset(next) } else { Position::End }
    }

    fn is_known(&self, cursor: &String) -> bool {
        self.cursors.contains(cursor) || matches!(&self.position, Position::Cursor(current) if current == cursor)
    }
}

pub(super) fn endless(detail: String) -> ClientError {
    ClientError::new(ClientErrorKind::EndlessPages, OPERATION).with_detail(detail)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Cursor(cursor) => write!(f, "cursor:{cursor}"),
            Self::Offset(offset) => write!(f, "offset:{offset}"),
            Self::End => f.write_str("end"),
        }
    }
}

/// The error of parsing a [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParsePositionError;

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: start, cursor:NAME, offset:NUMBER or end")
    }
}

impl std::error::Error for ParsePositionError {}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        match (text, text.split_once(':')) {
            ("start", _) => Ok(Self::Start),
            ("end", _) => Ok(Self::End),
            (_, Some(("cursor", cursor))) if !cursor.is_empty() => Ok(Self::Cursor(cursor.to_owned())),
            (_, Some(("offset", offset))) => offset.parse().map(Self::Offset).map_err(|_| ParsePositionError),
            _ => Err(ParsePositionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_through_text() {
        for position in [Position::Start, Position::Cursor("a:b".into()), Position::Offset(40), Position::End] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "cursor:", "offset:", "offset:-1", "page:2", "Start"] {
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError), "{text}");
        }
    }
}
