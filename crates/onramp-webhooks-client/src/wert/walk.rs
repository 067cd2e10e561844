//! Page by page, without going round in circles.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use onramp_webhooks::event::OrderId;

use super::api::DOING;
use super::{OrderRow, OrdersQuery, Page, WertDataApi};
use crate::error::{ClientError, ClientErrorKind};

/// A walk over the pages of a query.
///
/// Follows the cursor that a page names. While no page has named one, but there must be more, it goes on by offset, which is how
/// older versions of the API page. It ends with the provider's last page, or with
/// [`EndlessPages`](ClientErrorKind::EndlessPages): when a page names one that was there before, or names a next one and brings nothing
/// new, or is beyond [`most_pages`](OrdersQuery::most_pages).
///
/// Orders that come again on a later page, because new ones have moved them, are left out.
#[derive(Debug)]
pub struct OrdersWalk {
    api: WertDataApi,
    query: OrdersQuery,
    position: Position,
    pages: u32,
    cursors: HashSet<String>,
    orders: HashSet<OrderId>,
}

/// Where a walk stands. Can be written down as text, for a later walk with the same query.
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
    /// Before the page of that name.
    Cursor(String),
    /// After so many orders.
    Offset(u64),
    /// After the last page.
    End,
}

impl OrdersWalk {
    pub(super) fn new(api: WertDataApi, query: OrdersQuery) -> Self {
        Self { api, query, position: Position::Start, pages: 0, cursors: HashSet::new(), orders: HashSet::new() }
    }

    /// Goes on where another walk with the same query stood.
    #[must_use]
    pub fn from(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Where this walk stands: before the page that the next call asks for.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// The next page's orders that were not there before; `None` after the last page. After an error, and when the call is dropped,
    /// the walk stands where it stood, and the next call asks again.
    ///
    /// # Errors
    /// Every kind but [`NotWrittenDown`](ClientErrorKind::NotWrittenDown). [`EndlessPages`](ClientErrorKind::EndlessPages) stays, however often it is asked.
    pub async fn next_page(&mut self) -> Result<Option<Vec<OrderRow>>, ClientError> {
        if self.position == Position::End {
            return Ok(None);
        }
        if self.pages >= self.query.most_pages {
            return Err(endless(format!("more than {}", self.query.most_pages)));
        }
        let page = self.api.page(&self.query, &self.position).await?;
        let is_new = |row: &&OrderRow| !self.orders.contains(&row.order_id);
        let next = self.after(&page, page.rows.iter().filter(is_new).count())?;
        if let Position::Cursor(cursor) = &next {
            self.cursors.insert(cursor.clone());
        }
        self.position = next;
        self.pages += 1;
        let orders = &mut self.orders;
        Ok(Some(page.rows.into_iter().filter(|row| orders.insert(row.order_id.clone())).collect()))
    }

    /// Where a page that brought `new` orders leads.
    fn after(&self, page: &Page, new: usize) -> Result<Position, ClientError> {
        let next = match (&page.next_cursor, &self.position) {
            (Some(cursor), _) if self.is_known(cursor) => return Err(endless("the next page was there before".to_owned())),
            (Some(cursor), _) => Position::Cursor(cursor.clone()),
            (None, Position::Cursor(_) | Position::End) => Position::End,
            (None, Position::Start) => self.by_offset(page, 0, new),
            (None, Position::Offset(offset)) => self.by_offset(page, *offset, new),
        };
        match next {
            Position::End => Ok(next),
            _ if new > 0 => Ok(next),
            _ => Err(endless("a page brings nothing new and still names a next one".to_owned())),
        }
    }

    fn by_offset(&self, page: &Page, offset: u64, new: usize) -> Position {
        let next = offset.saturating_add(page.rows.len().try_into().unwrap_or(u64::MAX));
        let more = match page.total {
            Some(total) => next < total,
            // Nobody says how many there are: a full page may not be the last one, unless offsets are ignored.
            None => page.rows.len() == self.query.limit && new > 0,
        };
        if more { Position::Offset(next) } else { Position::End }
    }

    fn is_known(&self, cursor: &String) -> bool {
        self.cursors.contains(cursor) || matches!(&self.position, Position::Cursor(now) if now == cursor)
    }
}

fn endless(detail: String) -> ClientError {
    ClientError::new(ClientErrorKind::EndlessPages, DOING).detail(detail)
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

/// A text that is no [`Position`].
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
    fn positions_can_be_written_down() {
        for position in [Position::Start, Position::Cursor("a:b".into()), Position::Offset(40), Position::End] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "cursor:", "offset:", "offset:-1", "page:2", "Start"] {
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError), "{text}");
        }
    }
}
