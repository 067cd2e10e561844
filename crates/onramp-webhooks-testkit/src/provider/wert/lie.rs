//! Incorrect pages.

use serde_json::{Map, Value};

use super::super::Lie;
use super::{FIRST, WertRow};
use crate::events::{self, WertOrder};

impl Lie {
    pub(super) fn tell(self, page: &mut Map<String, Value>, limit: usize) {
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
    WertRow::of(&WertOrder::new().click_id("somebody-else"), FIRST).into()
}
