//! Orders as the Data API tells them.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, ClickId, Currency, Extra, OrderId, RawJson, TransactionId, UserId, WalletAddress};

use super::OrderStatus;
use crate::json::Object;
use crate::times;

/// An order as the Data API tells it.
///
/// Lenient: amounts and ids may be strings or numbers, what is null or empty counts as missing, and what does not fit is in `extra`
/// with what this model does not know. Only the id has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderRow {
    /// Wert's id of the order.
    pub order_id: OrderId,
    /// The string that you gave to the widget.
    pub click_id: Option<ClickId>,
    /// Where the order stands.
    pub status: Option<OrderStatus>,
    /// The fiat currency, in lower case.
    pub currency: Option<Currency>,
    /// How much of `currency`. A JSON number, and so rounded to the 15 to 17 digits that a float keeps.
    pub currency_amount: Option<Amount>,
    /// The crypto, often by an internal name: `matic.sc.polygon`.
    pub crypto: Option<Currency>,
    /// How much of `crypto`. Rounded like `currency_amount`.
    pub crypto_amount: Option<Amount>,
    /// The wallet or contract that receives the crypto. Not documented.
    pub address: Option<WalletAddress>,
    /// The transaction on the blockchain. Not documented.
    pub transaction_id: Option<TransactionId>,
    /// Wert's id of the user.
    pub user_id: Option<UserId>,
    /// When the order was made.
    pub created_at: Option<Timestamp>,
    /// When it changed last.
    pub changed_at: Option<Timestamp>,
    /// Your part, in `currency`.
    pub partner_fee: Option<Amount>,
    /// Your part, as a part of 1 or of 100: the documentation does not say.
    pub partner_fee_percent: Option<Amount>,
    /// Fields that this model does not know, `card_id` among them.
    pub extra: Extra,
}

impl OrderRow {
    pub(super) fn read(value: &RawJson) -> Result<Self, &'static str> {
        let mut fields = Object::read(value)?;
        let time = |value: &RawJson| times::parse(&value.to_text()?);
        Ok(Self {
            order_id: fields.text("order_id").ok_or("order_id: missing")?,
            click_id: fields.text("click_id"),
            status: fields.text("status"),
            currency: fields.if_fits("currency"),
            currency_amount: fields.if_fits("currency_amount"),
            crypto: fields.if_fits("crypto"),
            crypto_amount: fields.if_fits("crypto_amount"),
            address: fields.if_fits("address"),
            transaction_id: fields.if_fits("transaction_id"),
            user_id: fields.text("user_id"),
            created_at: fields.if_reads("created_at", time),
            changed_at: fields.if_reads("changed_at", time),
            partner_fee: fields.if_fits("partner_fee"),
            partner_fee_percent: fields.if_fits("partner_fee_percent"),
            extra: fields.into_extra(),
        })
    }

    /// Whether a search for `term` may find this order: by its id, its click id, or any other field that says `term`, in any case.
    pub(super) fn is_found_by(&self, term: &str) -> bool {
        let says = |text: &str| text.eq_ignore_ascii_case(term);
        says(self.order_id.as_str())
            || self.click_id.as_ref().is_some_and(|id| says(id.as_str()))
            || self.extra.iter().any(|(_, value)| value.to_text().is_some_and(|text| says(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Result<OrderRow, &'static str> {
        OrderRow::read(&json.parse().unwrap())
    }

    #[test]
    fn numbers_strings_and_new_words_are_read() {
        let numbers =
            row(r#"{"order_id":"O","currency_amount":4.79,"crypto_amount":0.000000000000000001,"status":"success"}"#).unwrap();
        let strings =
            row(r#"{"order_id":"O","currency_amount":"4.79","crypto_amount":"0.000000000000000001","status":"SUCCESS"}"#)
                .unwrap();
        assert_eq!(numbers, strings);
        assert_eq!(numbers.crypto_amount.unwrap().to_string(), "0.000000000000000001");
        let new =
            row(r#"{"order_id":"O","status":"on_hold","external_order_id":"E-1","crypto_amount":null,"click_id":17}"#).unwrap();
        assert_eq!(new.status, Some(OrderStatus::Unknown("on_hold".into())));
        assert!(new.is_found_by("E-1") && new.is_found_by("O") && new.is_found_by("17") && !new.is_found_by("E"));
        assert_eq!(new.extra.get("crypto_amount").unwrap().as_str(), "null");
    }

    #[test]
    fn what_does_not_fit_is_kept() {
        let row = row(r#"{"order_id":"O","currency_amount":-1,"created_at":"soon","status":["x"],"user_id":{}}"#).unwrap();
        assert_eq!((row.currency_amount, row.created_at, row.status, row.user_id), (None, None, None, None));
        assert_eq!(row.extra.len(), 4);
    }

    #[test]
    fn a_row_has_an_id_and_no_field_twice() {
        for json in [r#"{"click_id":"C"}"#, r#"{"order_id":null}"#, r#"{"order_id":""}"#, "[]", "7"] {
            row(json).unwrap_err();
        }
        row(r#"{"order_id":"O","crypto_amount":1,"crypto_amount":2}"#).unwrap_err();
    }

    #[test]
    fn nothing_of_a_person_shows() {
        let row = row(r#"{"order_id":"O","click_id":"hidden-c","user_id":"hidden-u","card_id":"hidden-k","address":"hidden-a"}"#)
            .unwrap();
        assert!(!format!("{row:?}").contains("hidden-"), "{row:?}");
    }
}
