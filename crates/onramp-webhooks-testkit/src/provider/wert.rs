//! The orders of Wert's Data API.

use serde_json::{Map, Value, json};

use super::answer::Reply;
use super::seen::Seen;
use super::{FakeProvider, Lie};
use crate::events::{self, WertOrder};

/// The maximum page size of Wert's API.
const LARGEST_PAGE: usize = 20;

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

#[derive(Debug, Default)]
pub(super) struct Orders {
    /// All rows, ordered by the time of creation.
    pub(super) rows: Vec<Value>,
    pub(super) paging: Paging,
}

impl Orders {
    /// The seconds since the beginning of 2026. Each order advances them by a minute.
    pub(super) fn add(&mut self, order: &WertOrder, status: &str) {
        let minutes = self.rows.len();
        let (day, hour, minute) = (1 + minutes / 1_440, minutes / 60 % 24, minutes % 60);
        let at = |second: u8| format!("2026-01-{day:02} {hour:02}:{minute:02}:{second:02}");
        self.add_at(order, status, &at(2), &at(47));
    }

    pub(super) fn add_at(&mut self, order: &WertOrder, status: &str, created: &str, changed: &str) {
        let event: Value = serde_json::from_slice(&order.event("any")).expect("JSON");
        let order = &event["order"];
        let lower = |name: &str| order[name].as_str().unwrap_or_default().to_ascii_lowercase();
        let number = |name: &str| order[name].as_str().unwrap_or_default().parse().unwrap_or(Value::Null);
        self.rows.push(json!({
            "order_id": order["id"],
            "click_id": event["click_id"],
            "currency": lower("quote"),
            "currency_amount": number("quote_amount"),
            "crypto": lower("base"),
            "crypto_amount": number("base_amount"),
            "user_id": "01GJMAVBKQYNKGCFSPE4QTN4AC",
            "status": status,
            "card_id": "01GJMAYZ7M4GYWNDFST2HE8F46",
            "created_at": created,
            "changed_at": changed,
            "partner_fee": 0.05,
            "partner_fee_percent": 0.01,
        }));
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
        let mut wanted: Vec<&Value> = self.rows.iter().filter(|row| is_wanted(row, seen)).collect();
        if seen.parameter("order_by") != Some("asc") {
            wanted.reverse();
        }
        let offset = seen.parameter("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0);
        let behind = |cursor: &str| wanted.iter().position(|row| row["order_id"] == cursor).map_or(wanted.len(), |at| at + 1);
        let first = match self.paging {
            Paging::Cursor => seen.parameter("cursor_id").filter(|cursor| !cursor.is_empty()).map_or(0, behind),
            Paging::Offset => offset,
        };
        let rows: Vec<Value> = wanted.iter().skip(first).take(limit).map(|row| (*row).clone()).collect();
        let more = first + rows.len() < wanted.len();
        let last = rows.last().map_or(Value::Null, |row| row["order_id"].clone());
        let mut page = Map::new();
        page.insert("success".into(), true.into());
        page.insert("data".into(), rows.into());
        match self.paging {
            Paging::Cursor if more => page.insert("next_cursor_id".into(), last),
            Paging::Cursor => None,
            Paging::Offset => page.insert("total".into(), wanted.len().into()),
        };
        page
    }
}

fn is_wanted(row: &Value, seen: &Seen) -> bool {
    let found = seen.parameter("search_by").is_none_or(|terms| {
        let is = |name: &str, term: &str| row[name] == term;
        terms.split(',').any(|term| is("order_id", term) || is("click_id", term) || is("external_order_id", term))
    });
    let created = row["created_at"].as_str().unwrap_or_default();
    let in_time = seen.parameter("start_date").is_none_or(|start| created > plain(start).as_str())
        && seen.parameter("end_date").is_none_or(|end| created <= plain(end).as_str());
    found && in_time
}

/// Converts the time of a parameter to the format of rows.
fn plain(time: &str) -> String {
    time.replace('T', " ").chars().take("2026-01-01 00:00:00".len()).collect()
}

fn refusal(status: u16, why: &str) -> Reply {
    Reply::json(status, &json!({ "success": false, "message": why }))
}

impl Lie {
    fn tell(self, page: &mut Map<String, Value>, limit: usize) {
        let Some(Value::Array(rows)) = page.get_mut("data") else { return };
        match self {
            Self::AnotherOrder => rows.insert(0, another()),
            Self::OrderTwice => rows.extend(rows.first().cloned()),
            Self::EndlessCursor => {
                *rows = (0..limit).map(|_| another()).collect();
                page.insert("next_cursor_id".into(), events::order_id().into());
            }
            Self::RepeatedCursor => {
                *rows = (0..limit).map(|_| another()).collect();
                page.insert("next_cursor_id".into(), "01GMAPHCFE06G3Y8FG2KW9BAM0".into());
            }
        }
    }
}

/// Returns an order that no test has added.
fn another() -> Value {
    let mut orders = Orders::default();
    orders.add(&WertOrder::new().click_id("somebody-else"), "success");
    orders.rows.remove(0)
}
