//! One answer of the Data API.

use std::collections::HashSet;

use onramp_webhooks::event::{Extra, OrderId, RawJson};

use super::OrderRow;
use crate::error::{ClientError, ClientErrorKind};
use crate::json::{Object, misfit, says_yes};

/// One answer of the Data API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The orders, each once.
    pub rows: Vec<OrderRow>,
    /// How many orders fit the query, on this page and beyond; older answers have it.
    pub total: Option<u64>,
    /// The name of the next page; newer answers have it, if there is a next page.
    pub next_cursor: Option<String>,
    /// Fields that this model does not know.
    pub extra: Extra,
}

impl Page {
    pub(super) fn read(doing: &'static str, body: &[u8]) -> Result<Self, ClientError> {
        let mut fields = Object::of_body(doing, body)?;
        if fields.take("success").is_some_and(|success| !says_yes(&success)) {
            return Err(ClientError::new(ClientErrorKind::Refused, doing).detail("success is not true"));
        }
        let data = fields.take("data").map_or(Ok(Vec::new()), |data| rows(doing, &data))?;
        Ok(Self {
            rows: data,
            total: fields.if_reads("total", |total| total.to_text()?.parse().ok()),
            next_cursor: fields.text("next_cursor_id"),
            extra: fields.into_extra(),
        })
    }
}

fn rows(doing: &'static str, data: &RawJson) -> Result<Vec<OrderRow>, ClientError> {
    let data: Vec<RawJson> = serde_json::from_str(data.as_str()).map_err(|_| misfit(doing, "data: not an array"))?;
    let read = |(index, value)| OrderRow::read(value).map_err(|why| misfit(doing, format!("data.{index}: {why}")));
    let rows: Vec<OrderRow> = data.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let mut seen = HashSet::<&OrderId>::new();
    match rows.iter().find(|row| !seen.insert(&row.order_id)) {
        None => Ok(rows),
        Some(row) => {
            let detail = format!("the order {} is there twice", shown(&row.order_id));
            Err(ClientError::new(ClientErrorKind::Contradiction, doing).detail(detail))
        }
    }
}

/// An id that came from outside, fit for a log line.
pub(super) fn shown(id: &OrderId) -> String {
    id.as_str().chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(body: &str) -> Result<Page, ClientErrorKind> {
        Page::read("testing", body.as_bytes()).map_err(|error| error.kind())
    }

    #[test]
    fn old_and_new_answers_are_read() {
        let old = page(r#"{"success":true,"data":[{"order_id":"O"}],"total":41}"#).unwrap();
        assert_eq!((old.rows.len(), old.total, old.next_cursor), (1, Some(41), None));
        let new = page(r#"{"success":"true","data":[],"next_cursor_id":"01K","took":3}"#).unwrap();
        assert_eq!((new.rows.len(), new.total, new.next_cursor.as_deref()), (0, None, Some("01K")));
        assert_eq!(new.extra.get("took").unwrap().as_str(), "3");
        let last = page(r#"{"success":true,"data":null,"total":null,"next_cursor_id":""}"#).unwrap();
        assert_eq!((last.rows.len(), last.total, last.next_cursor), (0, None, None));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        for (body, kind) in [
            (r#"{"success":false,"data":[]}"#, ClientErrorKind::Refused),
            (r#"{"success":"no"}"#, ClientErrorKind::Refused),
            (r#"{"data":{}}"#, ClientErrorKind::Misfit),
            (r#"{"data":[{"order_id":"O"},{}]}"#, ClientErrorKind::Misfit),
            (r#"{"data":[{"order_id":"O"},{"order_id":"O"}]}"#, ClientErrorKind::Contradiction),
        ] {
            assert_eq!(page(body), Err(kind), "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>, value in "[\\[{\"a-c0-9.,:eE+}\\] -]{0,24}") {
            let _ = Page::read("testing", &body);
            for body in [
                value.clone(),
                format!(r#"{{"data":{value}}}"#),
                format!(r#"{{"data":[{{"order_id":{value},"currency_amount":{value},"created_at":"{value}"}}],"total":{value}}}"#),
            ] {
                let _ = Page::read("testing", body.as_bytes());
            }
        }
    }
}
