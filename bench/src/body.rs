//! Events that differ in their order's id only.

/// How the ids of consecutive orders follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// They grow, as Wert's do.
    Ordered,
    /// They do not, as Kriptomat's.
    Random,
}

const HEAD: &str = r#"{"type":"order_complete","click_id":"6380534230062343906","order":{"id":""#;
const TAIL: &str = r#"","base":"BTC","base_amount":"0.00123456","quote":"USD","quote_amount":"120.50","address":"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq","transaction_id":"5c9b1f7d3e2a4860b1d9f0c3a7e65482d1b0f9e8c7a6b5d4e3f2a1b0c9d8e7f6"}}"#;

/// The length of a body, with an id of 26 characters in it.
pub(crate) const LENGTH: usize = HEAD.len() + 26 + TAIL.len();

/// Where the id stands in the body.
pub(crate) const ID_AT: usize = HEAD.len();

/// The event of order `id`.
pub(crate) fn order_complete(id: &str) -> String {
    format!("{HEAD}{id}{TAIL}")
}

/// The id of order number `n`.
pub(crate) fn id(ids: Ids, n: u64) -> String {
    let n = match ids {
        Ids::Ordered => n,
        // An odd factor permutes the numbers.
        Ids::Random => n.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    };
    format!("01HBE{n:021}")
}
