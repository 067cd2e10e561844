//! What an inbox received about an order.

use onramp_webhooks::event::TransactionId;
use onramp_webhooks::inbox::Filter;
use onramp_webhooks::{Inbox, StoreError};

use super::{Finding, OrderRow, OrderStatus};

/// Which ends of an order an inbox received events of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// `order_complete`.
    pub complete: bool,
    /// `order_failed`.
    pub failed: bool,
    /// `order_canceled`.
    pub canceled: bool,
}

impl Received {
    /// Looks an order up among what came in at `endpoint`, by its id and by its transaction. Events that name neither are not found.
    /// Whether what came was handled does not count; the inbox shows that.
    ///
    /// # Errors
    /// When the inbox cannot be read.
    pub async fn look_up(inbox: &dyn Inbox, endpoint: &str, row: &OrderRow) -> Result<Self, StoreError> {
        let mut received = Self::default();
        let transaction = row.transaction_id.as_ref().map(TransactionId::as_str);
        for id in std::iter::once(row.order_id.as_str()).chain(transaction) {
            let has = async |event_type: &str| {
                let filter = Filter::all().endpoint(endpoint).about(id).event_type(event_type).limit(1);
                inbox.list(filter).await.map(|records| !records.is_empty())
            };
            received.complete |= has("order_complete").await?;
            received.failed |= has("order_failed").await?;
            received.canceled |= has("order_canceled").await?;
        }
        Ok(received)
    }

    /// What is to be said of an order, if anything.
    #[must_use]
    pub fn compare(self, row: &OrderRow) -> Option<Finding> {
        let received_end = match row.status {
            Some(OrderStatus::Success) => self.complete,
            Some(OrderStatus::Failed) => self.failed,
            Some(OrderStatus::Cancelled) => self.canceled,
            Some(OrderStatus::Created | OrderStatus::Pending | OrderStatus::Progress) => self == Self::default(),
            Some(OrderStatus::Unknown(_)) | None => return Some(Finding::Unclear { row: row.clone() }),
        };
        match received_end {
            true if self.complete && row.status != Some(OrderStatus::Success) => Some(self.differs(row)),
            true => None,
            false if self == Self::default() => Some(Finding::Missing { row: row.clone() }),
            false => Some(self.differs(row)),
        }
    }

    fn differs(self, row: &OrderRow) -> Finding {
        Finding::StatusDiffers { row: row.clone(), received: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `c`, `f` and `x` for the ends that were received.
    fn said(status: &str, received: &str) -> &'static str {
        let row = OrderRow::read(&format!(r#"{{"order_id":"O","status":{status}}}"#).parse().unwrap()).unwrap();
        let has = |end| received.contains(end);
        match (Received { complete: has('c'), failed: has('f'), canceled: has('x') }).compare(&row) {
            None => "",
            Some(Finding::Missing { .. }) => "missing",
            Some(Finding::StatusDiffers { .. }) => "differs",
            Some(Finding::Unclear { .. }) => "unclear",
            Some(Finding::UnknownToProvider { .. }) => "unknown",
        }
    }

    #[test]
    fn every_status_against_every_set_of_events() {
        for (status, expected) in [
            //                    none      c         f          x          cf         fx
            (r#""success""#, ["missing", "", "differs", "differs", "", "differs"]),
            (r#""failed""#, ["missing", "differs", "", "differs", "differs", ""]),
            (r#""cancelled""#, ["missing", "differs", "differs", "", "differs", ""]),
            (r#""canceled""#, ["missing", "differs", "differs", "", "differs", ""]),
            (r#""pending""#, ["", "differs", "differs", "differs", "differs", "differs"]),
            (r#""created""#, ["", "differs", "differs", "differs", "differs", "differs"]),
            (r#""progress""#, ["", "differs", "differs", "differs", "differs", "differs"]),
            (r#""refunded""#, ["unclear", "unclear", "unclear", "unclear", "unclear", "unclear"]),
            ("null", ["unclear", "unclear", "unclear", "unclear", "unclear", "unclear"]),
        ] {
            assert_eq!(["", "c", "f", "x", "cf", "fx"].map(|received| said(status, received)), expected, "{status}");
        }
    }
}
