//! Events that differ only in the order id, and their deliveries.

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::NewDelivery;

/// The sequence of the ids of consecutive orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// Increasing, as Wert's ids.
    Ordered,
    /// Random, as Kriptomat's ids.
    Random,
}

const HEAD: &str = r#"{"type":"order_complete","click_id":"6380534230062343906","order":{"id":""#;
const TAIL: &str = r#"","base":"BTC","base_amount":"0.00123456","quote":"USD","quote_amount":"120.50","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","transaction_id":"5c9b1f7d3e2a4860b1d9f0c3a7e65482d1b0f9e8c7a6b5d4e3f2a1b0c9d8e7f6"}}"#;

/// The length of an id.
pub(crate) const ID: usize = 26;

/// The length of a body.
pub(crate) const LENGTH: usize = HEAD.len() + ID + TAIL.len();

/// Returns the event of order `id`.
pub(crate) fn order_complete(id: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(LENGTH);
    write_order_complete(id, &mut body);
    body
}

/// Appends the event of order `id`.
pub(crate) fn write_order_complete(id: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(HEAD.as_bytes());
    to.extend_from_slice(id.as_bytes());
    to.extend_from_slice(TAIL.as_bytes());
}

/// Returns the id of order number `n`.
pub(crate) fn id(ids: Ids, n: u64) -> String {
    let n = match ids {
        Ids::Ordered => n,
        // An odd factor permutes the numbers.
        Ids::Random => n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    };
    format!("01HBE{n:021}")
}

/// Returns the delivery of order number `n`, as the receiver creates it.
pub(crate) fn delivery(ids: Ids, n: u64) -> NewDelivery {
    let id = id(ids, n);
    let mut new = NewDelivery::new("wert", "wert", Timestamp::from_millis(1_700_000_000_000), Bytes::from(order_complete(&id)));
    new.event_type = Some("order_complete".to_owned());
    new.key = Some(DedupKey::from_parts(format!("wert/order/{id}"), "order_complete".to_owned()));
    new.stage = Some(OrderStage::FINAL);
    new
}
