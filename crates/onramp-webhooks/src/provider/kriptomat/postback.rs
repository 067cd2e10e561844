//! Kriptomat's only event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{AdditionalFields, form};
use crate::event::fields::{Decode, Fields};
use crate::event::id::{ids, shown_ids};
use crate::event::model::{ObjectWriter, deserialize_by_decoding};
use crate::event::{
    Amount, CompletedPurchase, Currency, CustomerReference, DecodeError, Extra, Money, UnclearPurchase, WalletAddress,
};
use crate::identity::{Identity, OrderStage};
use crate::json::{Document, Value};
use crate::provider::ProviderEvent;

/// The only type of Kriptomat's events.
pub(super) const POSTBACK: &str = "postback";

ids! {
    /// Kriptomat's `uuid` of a purchase.
    PostbackId
}

shown_ids! { PostbackId }

/// Kriptomat's report of a completed purchase.
///
/// ```
/// use onramp_webhooks::kriptomat::KriptomatPostback;
///
/// let body = include_str!("../../../fixtures/kriptomat/postback.plain-keys.json");
/// let postback: KriptomatPostback = serde_json::from_str(body)?;
/// assert_eq!(postback.additional_fields.text("0").unwrap(), "shop-20418");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KriptomatPostback {
    /// Kriptomat's id of the purchase.
    pub uuid: PostbackId,
    /// The amount of crypto that was bought.
    pub amount: Amount,
    /// The code of the crypto, in lower case.
    pub asset_type: Currency,
    /// The amount that was paid. See [`FIAT_CURRENCY`](Self::FIAT_CURRENCY).
    pub fiat_amount: Amount,
    /// The wallet that received the crypto.
    pub to_address: WalletAddress,
    /// The network that carried the crypto.
    pub network: Option<String>,
    /// The fields that the shop passed to the widget.
    pub additional_fields: AdditionalFields,
    /// Fields that this model does not have.
    pub extra: Extra,
}

impl KriptomatPostback {
    /// The currency of [`fiat_amount`](Self::fiat_amount) by default. A postback does not contain the currency; Kriptomat's documentation
    /// states that fiat amounts are in euro by default. [`Kriptomat`](super::Kriptomat) says how a shop states another one;
    /// [`Delivery::completed_purchase`](crate::Delivery::completed_purchase) uses it.
    pub const FIAT_CURRENCY: &'static str = "EUR";

    /// Creates a postback without a network or additional fields. `amount` is serialised as a JSON number, as Kriptomat does.
    #[must_use]
    pub fn new(uuid: PostbackId, amount: Amount, asset_type: Currency, fiat_amount: Amount, to_address: WalletAddress) -> Self {
        Self {
            uuid,
            amount: amount.into_number(),
            asset_type,
            fiat_amount,
            to_address,
            network: None,
            additional_fields: AdditionalFields::default(),
            extra: Extra::default(),
        }
    }

    /// Returns the text of the additional field called `key`, if it is a string or a number. Also searches `extra`, which has the
    /// fields that were sent without the prefix `additional_fields`.
    #[must_use]
    pub fn additional_field(&self, key: &str) -> Option<Cow<'_, str>> {
        self.additional_fields.text(key).or_else(|| self.extra.get(key)?.to_text())
    }

    fn customer(&self) -> CustomerReference {
        let fields = self.extra.iter().chain(self.additional_fields.iter());
        let fields: BTreeMap<String, String> =
            fields.filter_map(|(key, value)| Some((key.to_owned(), value.to_text()?.into_owned()))).collect();
        CustomerReference::new(fields.get("0").cloned(), fields)
    }
}

impl Decode for KriptomatPostback {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        let mut fields = Fields::read(value)?;
        Ok(Self {
            uuid: fields.required("uuid")?,
            amount: fields.required("amount")?,
            asset_type: fields.required("asset_type")?,
            fiat_amount: fields.required("fiat_amount")?,
            to_address: fields.required("to_address")?,
            network: fields.optional("network")?,
            additional_fields: AdditionalFields::take(&mut fields)?,
            extra: fields.into(),
        })
    }
}

impl Serialize for KriptomatPostback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = ObjectWriter::begin(serializer)?;
        object.required("uuid", &self.uuid)?;
        object.required("amount", &self.amount)?;
        object.required("asset_type", &self.asset_type)?;
        object.required("fiat_amount", &self.fiat_amount)?;
        object.required("to_address", &self.to_address)?;
        object.optional("network", &self.network)?;
        object.others(self.additional_fields.received())?;
        object.end(&self.extra)
    }
}

deserialize_by_decoding!(KriptomatPostback);

impl ProviderEvent for KriptomatPostback {
    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        Self::read_document(&Document::new(body))
    }

    fn read_document(document: &Document<'_>) -> Result<Self, DecodeError> {
        if let Some(json) = document.json() {
            return Self::decode(json.root());
        }
        match document.text().and_then(form::to_json) {
            Some(json) => Self::decode_text(&json),
            None => Err(DecodeError::malformed(document.malformed())),
        }
    }

    fn type_name(&self) -> &str {
        self.type_label()
    }

    fn type_label(&self) -> &'static str {
        POSTBACK
    }

    fn identity(&self) -> Identity {
        Identity::once("uuid", self.uuid.as_str().to_ascii_lowercase()).at(OrderStage::FINAL)
    }

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        let crypto = Money::new(self.amount.clone(), self.asset_type.clone());
        let fiat = Money::new(self.fiat_amount.clone(), Self::FIAT_CURRENCY.into());
        Ok(Some(CompletedPurchase {
            address: Some(self.to_address.clone()),
            order: Some(self.uuid.as_str().into()),
            ..CompletedPurchase::new(self.customer(), fiat, crypto)
        }))
    }

    fn claimed_type(_: &Document<'_>) -> Option<String> {
        Some(POSTBACK.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DecodeErrorKind;

    const FIELDS: &str = r#""amount":0.50,"asset_type":"eth","fiat_amount":"9.10","to_address":"0x1""#;

    fn decode(more: &str) -> Result<KriptomatPostback, DecodeError> {
        Decode::decode_text(&format!(r#"{{"uuid":"U",{FIELDS}{more}}}"#))
    }

    #[test]
    fn additional_fields_are_found_in_every_spelling() {
        for (more, key, value) in [
            (r#","additional_fields[0]":"A""#, "0", "A"),
            (r#","additional_fields[order]":"A""#, "order", "A"),
            (r#","additional_fields[\"order\"]":"A""#, "order", "A"),
            (r#","additional_fields['order']":"A""#, "order", "A"),
            (r#","0":"A""#, "0", "A"),
            (r#","17":6380534230062343906.10"#, "17", "6380534230062343906.10"),
            (r#","order":"A""#, "order", "A"),
            (r#","additional_fields":{"0":"A"}"#, "0", "A"),
            (r#","additional_fields":{"order":7}"#, "order", "7"),
            (r#","additional_fields":[null,"A"]"#, "1", "A"),
            (r#","additional_fields":["A"],"0":"\u0041""#, "0", "A"),
        ] {
            let postback = decode(more).unwrap();
            assert_eq!(postback.additional_field(key).unwrap(), value, "{more}");
            assert_eq!(postback.customer().get(key), Some(value), "{more}");
            assert_eq!(postback.customer().primary(), Some(value).filter(|_| key == "0"), "{more}");
        }
    }

    #[test]
    fn additional_fields_may_be_anything() {
        for more in [
            r#","additional_fields":null"#,
            r#","additional_fields":"""#,
            r#","additional_fields":"A""#,
            r#","additional_fields":[]"#,
            r#","additional_fields[0]":null"#,
            r#","additional_fields[0]":{"a":1.0,"a":2}"#,
            r#","additional_fields[0]":"""#,
            r#","additional_fields[]":"A""#,
            r#","additional_fields":{"0":[1.50]}"#,
            "",
        ] {
            let postback = decode(more).unwrap();
            assert_eq!(postback.customer().primary(), None, "{more}");
            let written = serde_json::to_string(&postback).unwrap();
            assert_eq!(written, format!(r#"{{"uuid":"U",{FIELDS}{more}}}"#));
        }
    }

    #[test]
    fn contradicting_additional_fields_are_refused() {
        for more in [
            r#","additional_fields[0]":"A","0":"B""#,
            r#","additional_fields":["A"],"0":"B""#,
            r#","additional_fields":{"0":"A","0":"A"}"#,
            r#","additional_fields[a]":"A","additional_fields['a']":1"#,
        ] {
            let error = decode(more).unwrap_err();
            assert!(!error.is_noise() && error.path().starts_with("additional_fields"), "{error}");
        }
    }

    #[test]
    fn a_form_is_read_like_json() {
        let postback = KriptomatPostback::read(include_bytes!("../../../fixtures/kriptomat/postback.form.txt")).unwrap();
        assert_eq!(postback.amount.to_string(), "0.0625");
        assert_eq!(postback.additional_fields.text("1").unwrap(), "invoice 552");
        assert_eq!(postback.customer().primary(), Some("shop-20418"));
        assert!(postback.extra.is_empty());

        let error = |body: &[u8]| KriptomatPostback::read(body).unwrap_err();
        assert_eq!(error(b"amount=1&asset_type=eth").kind(), DecodeErrorKind::NotJson);
        assert_eq!(error(b"uuid=U&amount=1").to_string(), "asset_type: missing");
        assert_eq!(error(b"uuid=U&uuid=V").to_string(), "uuid: given twice");
    }

    #[test]
    fn a_uuid_is_one_purchase_in_any_case() {
        let identity = |uuid: &str| {
            let postback: KriptomatPostback = Decode::decode_text(&format!(r#"{{"uuid":"{uuid}",{FIELDS}}}"#)).unwrap();
            assert_eq!(postback.uuid.as_str(), uuid);
            postback.identity()
        };
        assert_eq!(identity("0F1E-aa"), identity("0f1e-AA"));
        assert_eq!(identity("0F1E-aa"), Identity::once("uuid", "0f1e-aa").at(OrderStage::FINAL));
    }

    #[test]
    fn a_purchase_has_every_value_of_its_postback() {
        let purchase = decode(r#","0":"A","network":"base""#).unwrap().completed_purchase().unwrap().unwrap();
        assert_eq!(purchase.fiat.to_string(), "9.10 EUR");
        assert_eq!(purchase.crypto.to_string(), "0.50 eth");
        assert_eq!(purchase.address.as_ref().map(WalletAddress::as_str), Some("0x1"));
        assert_eq!(purchase.order.unwrap().as_str(), "U");
        assert_eq!(purchase.transaction, None);
    }

    #[test]
    fn a_postback_can_be_built() {
        let amount = |text: &str| text.parse().unwrap();
        let mut postback = KriptomatPostback::new("U".into(), amount("0.50"), "eth".into(), amount("9.10"), "0x1".into());
        postback.additional_fields = [("0", "A")].into_iter().collect();
        let written = serde_json::to_string(&postback).unwrap();
        assert_eq!(written, format!(r#"{{"uuid":"U",{FIELDS},"additional_fields[0]":"A"}}"#));
        assert_eq!(serde_json::from_str::<KriptomatPostback>(&written).unwrap(), postback);
    }
}
