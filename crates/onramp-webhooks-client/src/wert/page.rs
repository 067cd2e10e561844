//! A page of orders.

use std::collections::HashSet;

use onramp_webhooks::event::{Extra, OrderId, RawJson};

use super::OrderRow;
use crate::error::{ClientError, ClientErrorKind};
use crate::json::{Object, is_true, unreadable};

/// A page of orders from the Data API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The orders, each at most once.
    pub rows: Vec<OrderRow>,
    /// The total number of orders that match the query. Only older versions of the API return it.
    pub total: Option<u64>,
    /// The cursor of the next page, if there is one. Only newer versions of the API return it.
    pub next_cursor: Option<String>,
    /// Fields that are not part of this model.
    pub extra: Extra,
}

impl Page {
    pub(super) fn parse(operation: &'static str, body: &[u8]) -> Result<Self, ClientError> {
        let mut fields = Object::parse_body(operation, body)?;
        if fields.take("success").is_some_and(|success| !is_true(&success)) {
            return Err(ClientError::new(ClientErrorKind::Refused, operation).with_detail("success is not true"));
        }
        let rows = fields.take("data").map_or(Ok(Vec::new()), |data| parse_rows(operation, &data))?;
        Ok(Self {
            rows,
            total: fields.take_with("total", |total| total.to_text()?.parse().ok()),
            next_cursor: fields.take_text("next_cursor_id"),
            extra: fields.into_extra(),
        })
    }
}

fn parse_rows(operation: &'static str, data: &RawJson) -> Result<Vec<OrderRow>, ClientError> {
    let data: Vec<RawJson> = serde_json::from_str(data.as_str()).map_err(|_| unreadable(operation, "data: not an array"))?;
    let parse =
        |(index, value)| OrderRow::parse(value).map_err(|reason| unreadable(operation, format!("data.{index}: {reason}")));
    let rows: Vec<OrderRow> = data.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    let mut seen = HashSet::<&OrderId>::new();
    match rows.iter().find(|row| !seen.insert(&row.order_id)) {
        None => Ok(rows),
        Some(row) => {
            let detail = format!("the order {} appears twice", escaped(&row.order_id));
            Err(ClientError::new(ClientErrorKind::Contradiction, operation).with_detail(detail))
        }
    }
}

/// Escapes and shortens an id from outside for a log line.
fn escaped(id: &OrderId) -> String {
    id.as_str().chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(body: &str) -> Result<Page, ClientErrorKind> {
        Page::parse("testing", body.as_bytes()).map_err(|error| error.kind())
    }

    #[test]
    fn old_and_new_responses_are_parsed() {
        let old = page(r#"{"success":true,"data":[{"order_id":"O"}],"total":41}"#).unwrap();
        assert_eq!((old.rows.len(), old.total, old.next_cursor), (1, Some(41), None));
        let new = page(r#"{"success":"true","data":[],"next_cursor_id":"01K","took":3}"#).unwrap();
        assert_eq!((new.rows.len(), new.total, new.next_cursor.as_deref()), (0, None, Some("01K")));
        assert_eq!(new.extra.get("took").unwrap().as_str(), "3");
        let last = page(r#"{"success":true,"data":null,"total":null,"next_cursor_id":""}"#).unwrap();
        assert_eq!((last.rows.len(), last.total, last.next_cursor), (0, None, None));
    }

    #[test]
    fn invalid_responses_are_rejected() {
        for (body, kind) in [
            (r#"{"success":false,"data":[]}"#, ClientErrorKind::Refused),
            (r#"{"success":"no"}"#, ClientErrorKind::Refused),
            (r#"{"data":{}}"#, ClientErrorKind::Unreadable),
            (r#"{"data":[{"order_id":"O"},{}]}"#, ClientErrorKind::Unreadable),
            (r#"{"data":[{"order_id":"O"},{"order_id":"O"}]}"#, ClientErrorKind::Contradiction),
        ] {
            assert_eq!(page(body), Err(kind), "{body}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>, value in "[\\[{\"a-c0-9.,:eE+}\\] -]{0,24}") {
            let _ = Page::parse("testing", &body);
            for body in [
                value.clone(),
                format!(r#"{{"data":{value}}}"#),
                format!(r#"{{"data":[{{"order_id":{value},"currency_amount":{value},"created_at":"{value}"}}],"total":{value}}}"#),
            ] {
                let _ = Page::parse("testing", body.as_bytes());
            }
        }
    }
}
