//! An order as the Data API returns it.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, CompletedPurchase, Currency, Extra, Money, OrderId, RawJson, TransactionId, WalletAddress};
use onramp_webhooks::wert::{ClickId, UserId};

use super::{OrderStatus, timestamp};
use crate::json::Object;

/// An order as the Data API returns it.
///
/// Parsing is lenient: amounts and ids may be strings or numbers, null and empty values count as missing, and invalid values are kept in
/// `extra` together with unknown fields. Only the id is required.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderRow {
    /// Wert's order id.
    pub order_id: OrderId,
    /// The string that was passed to the widget.
    pub click_id: Option<ClickId>,
    /// The status of the order.
    pub status: Option<OrderStatus>,
    /// The fiat currency, in lower case.
    pub currency: Option<Currency>,
    /// The amount in `currency`. The API returns a JSON number, rounded to the 15 to 17 digits of a float.
    pub currency_amount: Option<Amount>,
    /// The crypto, often with an internal name such as `matic.sc.polygon`.
    pub crypto: Option<Currency>,
    /// The amount in `crypto`, rounded like `currency_amount`.
    pub crypto_amount: Option<Amount>,
    /// The wallet or contract that receives the crypto. Not documented.
    pub address: Option<WalletAddress>,
    /// The transaction on the blockchain. Not documented.
    pub transaction_id: Option<TransactionId>,
    /// Wert's user id.
    pub user_id: Option<UserId>,
    /// The time of the order's creation.
    pub created_at: Option<Timestamp>,
    /// The time of the order's last change.
    pub changed_at: Option<Timestamp>,
    /// The partner's fee, in `currency`.
    pub partner_fee: Option<Amount>,
    /// The partner's fee as a fraction or a percentage; the documentation does not specify which.
    pub partner_fee_percent: Option<Amount>,
    /// Fields that are not part of this model, such as `card_id`.
    pub extra: Extra,
}

impl OrderRow {
    pub(super) fn parse(value: &RawJson) -> Result<Self, &'static str> {
        let mut fields = Object::parse(value)?;
        let time = |value: &RawJson| timestamp::parse(&value.to_text()?);
        Ok(Self {
            order_id: fields.take_text("order_id").ok_or("order_id: missing")?,
            click_id: fields.take_text("click_id"),
            status: fields.take_text("status"),
            currency: fields.take_valid("currency"),
            currency_amount: fields.take_valid("currency_amount"),
            crypto: fields.take_valid("crypto"),
            crypto_amount: fields.take_valid("crypto_amount"),
            address: fields.take_valid("address"),
            transaction_id: fields.take_valid("transaction_id"),
            user_id: fields.take_text("user_id"),
            created_at: fields.take_with("created_at", time),
            changed_at: fields.take_with("changed_at", time),
            partner_fee: fields.take_valid("partner_fee"),
            partner_fee_percent: fields.take_valid("partner_fee_percent"),
            extra: fields.into_extra(),
        })
    }

    /// Returns the purchase that this order confirms: with the order's id, amounts, address and transaction. What the order does not have
    /// is missing. Customer and codes, which agree, are spelled as in the event, and so are amounts of the same value.
    #[must_use]
    pub fn confirmed(&self, purchase: &CompletedPurchase) -> CompletedPurchase {
        let money = |event: &Money, amount: Option<&Amount>| {
            let amount = amount.filter(|amount| **amount != event.amount).unwrap_or(&event.amount);
            Money::new(amount.clone(), event.currency.clone())
        };
        let fiat = money(&purchase.fiat, self.currency_amount.as_ref());
        let crypto = money(&purchase.crypto, self.crypto_amount.as_ref());
        let mut confirmed = CompletedPurchase::new(purchase.customer.clone(), fiat, crypto);
        confirmed.order = Some(self.order_id.clone());
        confirmed.address.clone_from(&self.address);
        confirmed.transaction.clone_from(&self.transaction_id);
        confirmed
    }

    /// Returns `true` if a search for `term` can return this order: if its id, its click id or any extra field equals `term`, ignoring
    /// case.
    pub(super) fn matches(&self, term: &str) -> bool {
        let is_term = |text: &str| text.eq_ignore_ascii_case(term);
        is_term(self.order_id.as_str())
            || self.click_id.as_ref().is_some_and(|id| is_term(id.as_str()))
            || self.extra.iter().any(|(_, value)| value.to_text().is_some_and(|text| is_term(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Result<OrderRow, &'static str> {
        OrderRow::parse(&json.parse().unwrap())
    }

    #[test]
    fn numbers_strings_and_unknown_statuses_are_parsed() {
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
        assert!(new.matches("E-1") && new.matches("O") && new.matches("17") && !new.matches("E"));
        assert_eq!(new.extra.get("crypto_amount").unwrap().as_str(), "null");
    }

    #[test]
    fn invalid_values_are_kept() {
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
    fn debug_output_contains_no_personal_data() {
        let row = row(r#"{"order_id":"O","click_id":"hidden-c","user_id":"hidden-u","card_id":"hidden-k","address":"hidden-a"}"#)
            .unwrap();
        assert!(!format!("{row:?}").contains("hidden-"), "{row:?}");
    }
}
