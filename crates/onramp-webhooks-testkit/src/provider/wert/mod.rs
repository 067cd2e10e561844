//! The orders of Wert's Data API.

mod lie;
mod row;
mod series;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use onramp_webhooks::clock::Timestamp;
use serde_json::{Map, Value, json};

pub use self::row::WertRow;
pub use self::series::OrderSeries;
use super::answer::Reply;
use super::seen::Seen;
use super::{FakeProvider, Lie};
use crate::events::WertOrder;

/// The maximum page size of Wert's API.
const LARGEST_PAGE: usize = 20;

/// The creation time of the first order without a time, 2026-01-01 00:00:02 UTC.
const FIRST: Timestamp = Timestamp::from_millis(1_767_225_602_000);

/// The fields that `search_by` searches.
const SEARCHED: [&str; 3] = ["order_id", "click_id", "external_order_id"];

/// The pagination of the Data API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Paging {
    /// Each page refers to the next one in `next_cursor_id`, without a total.
    #[default]
    Cursor,
    /// Pages are requested with `offset`, and each page has the number of all orders in `total`.
    Offset,
}

/// All orders, by their time of creation: first those of the series, then the rows.
#[derive(Debug, Default)]
pub(super) struct Orders {
    series: OrderSeries,
    rows: Vec<Value>,
    /// The rows with each search term.
    index: HashMap<String, BTreeSet<usize>>,
    pub(super) paging: Paging,
}

impl Orders {
    /// Adds an order that was created a minute after the one before.
    pub(super) fn add_order(&mut self, order: &WertOrder, status: &str) {
        let minutes = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        let created = FIRST.after(std::time::Duration::from_secs(60 * minutes));
        let row = WertRow::of(order, created).changed(created.after(std::time::Duration::from_secs(45)));
        self.add(row.status(status).into());
    }

    pub(super) fn add_order_of(&mut self, time: &str, order: &WertOrder, status: &str) {
        let row = WertRow::of(order, FIRST).status(status);
        self.add(row.with("created_at", time).with("changed_at", time).into());
    }

    pub(super) fn add(&mut self, row: Value) {
        self.add_terms(self.rows.len(), &row);
        self.rows.push(row);
    }

    /// Replaces the row of the same order, or adds it.
    pub(super) fn set(&mut self, row: Value) {
        let has_id = |number: &&usize| self.rows[**number]["order_id"] == row["order_id"];
        let numbers = row["order_id"].as_str().and_then(|id| self.index.get(id));
        let Some(number) = numbers.and_then(|numbers| numbers.iter().find(has_id)).copied() else { return self.add(row) };
        let old = std::mem::replace(&mut self.rows[number], Value::Null);
        for term in terms(&old) {
            self.index.entry(term.to_owned()).or_default().remove(&number);
        }
        self.add_terms(number, &row);
        self.rows[number] = row;
    }

    fn add_terms(&mut self, number: usize, row: &Value) {
        for term in terms(row) {
            self.index.entry(term.to_owned()).or_default().insert(number);
        }
    }

    pub(super) fn set_series(&mut self, series: OrderSeries) {
        self.series = series;
    }

    pub(super) fn clear(&mut self) {
        *self = Self { paging: self.paging, ..Self::default() };
    }

    pub(super) fn answer(&self, seen: &Seen, lie: Option<Lie>) -> Reply {
        if seen.header("x-api-key") != Some(FakeProvider::API_KEY) {
            return refusal(401, "unknown key");
        }
        let limit = seen.parameter("limit").map_or(Some(10), |limit| limit.parse().ok());
        let Some(limit) = limit.filter(|limit| *limit <= LARGEST_PAGE) else {
            return refusal(400, "limit is not a number from 0 to 20");
        };
        let mut page = self.page(seen, limit);
        if let Some(lie) = lie {
            lie.tell(&mut page, limit);
        }
        Reply::json(200, &Value::Object(page))
    }

    fn page(&self, seen: &Seen, limit: usize) -> Map<String, Value> {
        let offset = seen.parameter("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let (skipped, total) = match self.paging {
            Paging::Cursor => (0, None),
            Paging::Offset => (offset, Some(self.positions(seen).count())),
        };
        let mut positions = self.positions(seen).skip(skipped);
        let rows: Vec<Value> = positions.by_ref().take(limit).map(|position| self.row(position)).collect();
        let last = rows.last().map_or(Value::Null, |row| row["order_id"].clone());
        let mut page = Map::new();
        page.insert("success".into(), true.into());
        page.insert("data".into(), rows.into());
        match total {
            Some(total) => page.insert("total".into(), total.into()),
            None if positions.next().is_some() => page.insert("next_cursor_id".into(), last),
            None => None,
        };
        page
    }

    /// Returns the positions of all orders that a query asks for, from its cursor on and in its order.
    fn positions<'a>(&'a self, seen: &'a Seen) -> Box<dyn Iterator<Item = u64> + 'a> {
        let is_ascending = seen.parameter("order_by") == Some("asc");
        let within = self.behind_cursor(seen, is_ascending);
        let found: Box<dyn DoubleEndedIterator<Item = u64>> = match seen.parameter("search_by") {
            Some(terms) => {
                let found: BTreeSet<u64> = terms.split(',').flat_map(|term| self.search(term)).collect();
                Box::new(found.into_iter().filter(move |position| within.contains(position)))
            }
            None => {
                let created = self.series.created_in(|created| is_after(created, seen), |created| is_until(created, seen));
                let rows = within.start.max(self.series.len())..within.end;
                Box::new((within.start.max(created.start)..within.end.min(created.end)).chain(rows))
            }
        };
        let in_time = found.filter(|position| {
            let created = self.created(*position);
            is_after(&created, seen) && is_until(&created, seen)
        });
        if is_ascending { Box::new(in_time) } else { Box::new(in_time.rev()) }
    }

    /// Returns the positions on the pages behind the query's cursor. There are none behind an unknown one.
    fn behind_cursor(&self, seen: &Seen, is_ascending: bool) -> Range<u64> {
        let all = 0..self.position(self.rows.len());
        let cursor = seen.parameter("cursor_id").filter(|cursor| self.paging == Paging::Cursor && !cursor.is_empty());
        let Some(cursor) = cursor else { return all };
        let at = self.search(cursor).find(|position| self.row(*position)["order_id"] == cursor);
        match at {
            Some(at) if is_ascending => at + 1..all.end,
            Some(at) => 0..at,
            None => 0..0,
        }
    }

    /// Returns the positions of the orders with a search term.
    fn search<'a>(&'a self, term: &'a str) -> impl Iterator<Item = u64> + 'a {
        let rows = self.index.get(term).into_iter().flatten().map(|number| self.position(*number));
        self.series.search(term).chain(rows)
    }

    fn position(&self, number: usize) -> u64 {
        self.series.len() + u64::try_from(number).unwrap_or(u64::MAX)
    }

    fn row(&self, position: u64) -> Value {
        self.own_row(position).cloned().unwrap_or_else(|| self.series.row(position))
    }

    fn created(&self, position: u64) -> String {
        match self.own_row(position) {
            Some(row) => row["created_at"].as_str().unwrap_or_default().to_owned(),
            None => self.series.created_at(position),
        }
    }

    /// Returns the row at a position behind the series.
    fn own_row(&self, position: u64) -> Option<&Value> {
        self.rows.get(usize::try_from(position.checked_sub(self.series.len())?).ok()?)
    }
}

fn terms(row: &Value) -> impl Iterator<Item = &str> {
    SEARCHED.into_iter().filter_map(|name| row[name].as_str())
}

fn is_after(created: &str, seen: &Seen) -> bool {
    seen.parameter("start_date").is_none_or(|start| created > plain(start).as_str())
}

fn is_until(created: &str, seen: &Seen) -> bool {
    seen.parameter("end_date").is_none_or(|end| created <= plain(end).as_str())
}

/// Converts the time of a parameter to the format of rows.
fn plain(time: &str) -> String {
    time.replace('T', " ").chars().take("2026-01-01 00:00:00".len()).collect()
}

fn refusal(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "success": false, "message": why }))
}
