//! Orders.

use std::fmt;

use serde::Serializer;

use super::payload::Payload;
use crate::event::fields::{Decode, Fields};
use crate::event::model::{ObjectWriter, model};
use crate::event::{Amount, Currency, DecodeError, Extra, Money, OrderId, TransactionId, WalletAddress};
use crate::json::Value;

/// An order: crypto for fiat money.
///
/// Wert's documentation shows the crypto both as `base` and as `quote`.
/// [`Delivery::completed_purchase`](crate::Delivery::completed_purchase) distinguishes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// Wert's id of the order. Missing in some events, including `order_complete`.
    pub id: Option<OrderId>,
    /// The code of one side, most often the crypto. An `order_complete` without the two codes and their amounts is unreadable; in
    /// other events they may be missing.
    pub base: Option<Currency>,
    /// The amount of `base`.
    pub base_amount: Option<Amount>,
    /// The code of the other side, most often the fiat currency.
    pub quote: Option<Currency>,
    /// The amount of `quote`.
    pub quote_amount: Option<Amount>,
    /// The wallet or contract that receives the crypto.
    pub address: Option<WalletAddress>,
    /// The blockchain transaction, once it exists.
    pub transaction_id: Option<TransactionId>,
    /// Wert's reason why the order failed. Not documented; seen on `order_failed`. A value that is not a string is in `extra`.
    pub error_code: Option<String>,
    /// The data that the shop passed to the widget for a smart contract. A value that does not fit [`PartnerData`] is in `extra`.
    pub partner_data: Option<PartnerData>,
    /// The order that the user got instead when a smart contract call failed. Its own fallback order, if any, is in its `extra`.
    pub fallback_order: Option<Box<Order>>,
    /// Fields that this model does not have.
    pub extra: Extra,
}

model!(Order {
    id: optional,
    base: optional,
    base_amount: optional,
    quote: optional,
    quote_amount: optional,
    address: optional,
    transaction_id: optional,
    error_code: if_fits,
    partner_data: if_fits,
    fallback_order: optional,
});

/// Reads a nested order. Only one level of nesting is read, so that a body cannot cause deep recursion.
impl Decode for Box<Order> {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        let mut fields = Fields::read(value)?;
        let deeper = fields.take("fallback_order");
        let mut order = Order::from_fields(fields)?;
        if let Some(deeper) = deeper {
            order.extra.insert("fallback_order", deeper.into());
        }
        Ok(Self::new(order))
    }
}

impl Order {
    /// Creates an order of `base` for `quote` without optional fields.
    #[must_use]
    pub fn new(base: Currency, base_amount: Amount, quote: Currency, quote_amount: Amount) -> Self {
        Self {
            base: Some(base),
            base_amount: Some(base_amount),
            quote: Some(quote),
            quote_amount: Some(quote_amount),
            ..Self::default()
        }
    }

    /// Returns the two sides; `None` if a code or an amount is missing.
    pub(super) fn sides(&self) -> Option<(Money, Money)> {
        let side = |amount: &Option<Amount>, code: &Option<Currency>| Some(Money::new(amount.clone()?, code.clone()?));
        Some((side(&self.base_amount, &self.base)?, side(&self.quote_amount, &self.quote)?))
    }

    /// Returns an error for the first field that a completed purchase needs and that is missing.
    pub(super) fn check_complete(&self) -> Result<(), DecodeError> {
        let needed = [
            ("base", self.base.is_some()),
            ("base_amount", self.base_amount.is_some()),
            ("quote", self.quote.is_some()),
            ("quote_amount", self.quote_amount.is_some()),
        ];
        let missing = needed.into_iter().find(|(_, is_present)| !is_present);
        missing.map_or(Ok(()), |(name, _)| Err(DecodeError::unreadable("missing").under(name).under("order")))
    }
}

impl Payload for Order {
    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.required("order")
    }

    fn write<S: Serializer>(&self, object: &mut ObjectWriter<S>) -> Result<(), S::Error> {
        object.required("order", self)
    }
}

/// The data that the shop passed to the widget for a smart contract. Free-form: every field may be missing.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartnerData {
    /// The shop's id of the call.
    pub sc_id: Option<String>,
    /// The contract's address.
    pub sc_address: Option<String>,
    /// The input of the call, hexadecimal, often kilobytes.
    pub sc_input_data: Option<String>,
    /// The kind of contract: `NFT`, `ERC-721`.
    pub sc_type_name: Option<String>,
    /// Fields that this model does not have.
    pub extra: Extra,
}

/// Leaves out the shop's id and the input of the call, which often holds the customer's wallet.
impl fmt::Debug for PartnerData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerData")
            .field("sc_address", &self.sc_address)
            .field("sc_type_name", &self.sc_type_name)
            .finish_non_exhaustive()
    }
}

model!(PartnerData { sc_id: optional, sc_address: optional, sc_input_data: optional, sc_type_name: optional });

#[cfg(test)]
mod tests {
    use super::super::{WertEvent, WertPayload};
    use super::*;

    fn order(order: &str) -> Result<Order, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"base":"BTC","base_amount":"1","quote":"USD","quote_amount":2.50,{order}}}"#))
    }

    #[test]
    fn free_form_data_is_always_readable() {
        for data in [r#""free text""#, "5", "[1.10]", r#"{"sc_id":7.0}"#, r#"{"a":1,"a":2}"#] {
            let order = order(&format!(r#""partner_data":{data}"#)).unwrap();
            assert_eq!(order.partner_data, None);
            assert_eq!(order.extra.get("partner_data").unwrap().as_str(), data);
        }
        let order = order(r#""partner_data":{"mine":1.10},"error_code":400"#).unwrap();
        assert_eq!(order.partner_data.unwrap().extra.get("mine").unwrap().as_str(), "1.10");
        assert_eq!(order.extra.get("error_code").unwrap().as_str(), "400");
    }

    #[test]
    fn a_fallback_order_is_an_order() {
        let body = include_str!("../../../fixtures/wert/tx_smart_contract_failed.json");
        let event: WertEvent = serde_json::from_str(body).unwrap();
        let fallback = event.payload.order().unwrap().fallback_order.as_ref().unwrap();
        assert_eq!(fallback.base_amount.as_ref().unwrap().to_string(), "0.08499127");
        let error = order(r#""fallback_order":{"base_amount":"much"}"#).unwrap_err();
        assert!(error.to_string().starts_with("fallback_order.base_amount: not an amount"), "{error}");
    }

    #[test]
    fn an_event_can_be_built() {
        let mut order = Order::new("ETH".into(), "0.5".parse().unwrap(), "eur".into(), "900".parse().unwrap());
        order.id = Some("O".into());
        order.extra.insert("id", crate::event::RawJson::string(""));
        let mut event = WertEvent::new(WertPayload::OrderComplete(order));
        event.click_id = Some("C".into());
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            concat!(
                r#"{"type":"order_complete","click_id":"C","order":{"id":"O","#,
                r#""base":"ETH","base_amount":"0.5","quote":"eur","quote_amount":"900"}}"#
            )
        );
    }
}
