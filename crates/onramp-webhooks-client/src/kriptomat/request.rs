//! The parameters of a widget.

use std::collections::BTreeMap;
use std::fmt;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{Amount, Currency, WalletAddress};
use onramp_webhooks::kriptomat::PostbackId;
use onramp_webhooks::purchases::Purchase;
use reqwest::Url;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::api::OPERATION;
use crate::error::{ClientError, ClientErrorKind};
use crate::secret::Secret;

/// The parameters of a widget. All are optional; the customer chooses those that are not set.
///
/// The rules below are checked when the widget is started. Nothing may be empty, and no amount may be zero.
///
/// ```
/// use onramp_webhooks_client::kriptomat::WidgetRequest;
///
/// let request = WidgetRequest::new()
///     .asset_type("eth")
///     .to_address("0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96")
///     .fiat_amount("35".parse()?)
///     .webhook_url("https://shop.example/webhooks/kriptomat/SECRET")
///     .additional_field(0, "customer-7")
///     .additional_field("campaign", "spring");
/// # Ok::<(), onramp_webhooks::event::ParseAmountError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WidgetRequest {
    asset_type: Option<Currency>,
    to_address: Option<WalletAddress>,
    amount: Option<(AmountType, Amount)>,
    fiat_currency: Option<Currency>,
    network: Option<String>,
    webhook_url: Option<String>,
    additional_fields: BTreeMap<String, String>,
}

/// The kind of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AmountType {
    Fiat,
    Crypto,
}

impl WidgetRequest {
    /// Creates a request without any parameter.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the widget to this crypto. Sent in lower case, as Kriptomat requires.
    #[must_use]
    pub fn asset_type(mut self, code: impl Into<Currency>) -> Self {
        self.asset_type = Some(code.into().as_str().to_ascii_lowercase().into());
        self
    }

    /// Sets the address that receives the crypto. Requires [`asset_type`](Self::asset_type) or [`network`](Self::network).
    #[must_use]
    pub fn to_address(mut self, address: impl Into<WalletAddress>) -> Self {
        self.to_address = Some(address.into());
        self
    }

    /// Sets the amount to pay, in the currency of the account: euro by default. Replaces [`crypto_amount`](Self::crypto_amount).
    #[must_use]
    pub fn fiat_amount(mut self, amount: Amount) -> Self {
        self.amount = Some((AmountType::Fiat, amount));
        self
    }

    /// States the currency that the customer pays in. Kriptomat documents no parameter for it, so it is not sent: it is stored with the
    /// purchase ([`start`](super::KriptomatApi::start)), because the postback does not name the currency either. If it is not set, the
    /// currency is that of the [endpoint](onramp_webhooks::Endpoint::fiat_currency).
    #[must_use]
    pub fn fiat_currency(mut self, code: impl Into<Currency>) -> Self {
        self.fiat_currency = Some(code.into());
        self
    }

    /// Sets the amount of crypto to buy. Replaces [`fiat_amount`](Self::fiat_amount).
    #[must_use]
    pub fn crypto_amount(mut self, amount: Amount) -> Self {
        self.amount = Some((AmountType::Crypto, amount));
        self
    }

    /// Restricts the widget to this network.
    #[must_use]
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Sets the URL of the postback: your route, with its secret. It must be `https`, although Kriptomat's documentation does not
    /// require that.
    #[must_use]
    pub fn webhook_url(mut self, url: impl Into<String>) -> Self {
        self.webhook_url = Some(url.into());
        self
    }

    /// Adds a field that the postback returns, such as a customer or order id. `key` is a number or a string; the field `0` is the
    /// [customer](onramp_webhooks::event::CustomerReference::primary). A second value for a key replaces the first. A key must not contain
    /// brackets.
    #[must_use]
    pub fn additional_field(mut self, key: impl fmt::Display, value: impl Into<String>) -> Self {
        self.additional_fields.insert(key.to_string(), value.into());
        self
    }

    /// Returns the purchase to store for this request, given the `uuid` of its widget.
    pub(super) fn purchase(&self, uuid: &PostbackId, now: Timestamp) -> Purchase {
        let mut purchase = Purchase::new(uuid, now);
        purchase.asset_type.clone_from(&self.asset_type);
        purchase.network.clone_from(&self.network);
        purchase.to_address.clone_from(&self.to_address);
        purchase.fiat_currency.clone_from(&self.fiat_currency);
        purchase.additional_fields = self.additional_fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        match &self.amount {
            Some((AmountType::Fiat, amount)) => purchase.fiat_amount(amount.clone()),
            Some((AmountType::Crypto, amount)) => purchase.crypto_amount(amount.clone()),
            None => purchase,
        }
    }

    /// Serializes the body, unless the request breaks a documented rule.
    pub(super) fn to_json(&self, token: &Secret) -> Result<Vec<u8>, ClientError> {
        let invalid = || ClientError::new(ClientErrorKind::Invalid, OPERATION);
        if let Some(rule) = self.broken_rule() {
            return Err(invalid().with_detail(rule));
        }
        serde_json::to_vec(&Body { token: token.expose(), request: self }).map_err(|error| invalid().with_source(error))
    }

    fn broken_rule(&self) -> Option<&'static str> {
        let is_empty = |field: Option<&str>| field.is_some_and(|field| field.trim().is_empty());
        let to_address = self.to_address.as_ref().map(WalletAddress::as_str);
        let asset_type = self.asset_type.as_ref().map(Currency::as_str);
        let keys = || self.additional_fields.keys();
        match () {
            () if is_empty(to_address) => Some("to_address is empty"),
            () if is_empty(asset_type) => Some("asset_type is empty"),
            () if is_empty(self.network.as_deref()) => Some("network is empty"),
            () if to_address.is_some() && asset_type.is_none() && self.network.is_none() => {
                Some("to_address requires asset_type or network")
            }
            () if self.amount.as_ref().is_some_and(|(_, amount)| amount.is_zero()) => Some("the amount is zero"),
            () if self.webhook_url.as_deref().is_some_and(|url| !is_https_url(url)) => Some("webhook_url is not an https URL"),
            () if keys().any(|key| key.trim().is_empty() || key.contains(['[', ']'])) => {
                Some("the key of an additional field is empty or contains brackets")
            }
            () => None,
        }
    }
}

fn is_https_url(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none())
}

struct Body<'a> {
    token: &'a str,
    request: &'a WidgetRequest,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("token", self.token)?;
        let texts = [
            ("asset_type", request.asset_type.as_ref().map(Currency::as_str)),
            ("to_address", request.to_address.as_ref().map(WalletAddress::as_str)),
            ("network", request.network.as_deref()),
            ("webhook_url", request.webhook_url.as_deref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some((amount_type, amount)) = &request.amount {
            map.serialize_entry("amount", &amount.clone().into_number())?;
            map.serialize_entry("amount_type", amount_type.as_str())?;
        }
        for (key, value) in &request.additional_fields {
            map.serialize_entry(&format!("additional_fields[{key}]"), value)?;
        }
        map.end()
    }
}

impl AmountType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fiat => "fiat",
            Self::Crypto => "crypto",
        }
    }
}

/// Leaves out the webhook URL, which holds a secret, and personal data.
impl fmt::Debug for WidgetRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WidgetRequest")
            .field("asset_type", &self.asset_type)
            .field("network", &self.network)
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(request: &WidgetRequest) -> Result<String, String> {
        let json = request.to_json(&Secret::from("T".to_owned()));
        json.map(|json| String::from_utf8(json).unwrap()).map_err(|error| error.to_string())
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn a_request_is_serialized_as_documented() {
        let request = WidgetRequest::new()
            .asset_type("ETH")
            .to_address("0x1")
            .fiat_amount(amount("35.10"))
            .network("base")
            .webhook_url("https://shop.example/hook")
            .additional_field(0, "customer")
            .additional_field("order", "A\"17");
        assert_eq!(
            json(&request).unwrap(),
            concat!(
                r#"{"token":"T","asset_type":"eth","to_address":"0x1","network":"base","webhook_url":"https://shop.example/hook","#,
                r#""amount":35.10,"amount_type":"fiat","additional_fields[0]":"customer","additional_fields[order]":"A\"17"}"#
            )
        );
        assert_eq!(json(&WidgetRequest::new()).unwrap(), r#"{"token":"T"}"#);
        let crypto =
            json(&WidgetRequest::new().fiat_currency("GBP").crypto_amount(amount("1234567.123456789012345678"))).unwrap();
        assert_eq!(crypto, r#"{"token":"T","amount":1234567.123456789012345678,"amount_type":"crypto"}"#);
    }

    #[test]
    fn documented_rules_are_checked() {
        let new = WidgetRequest::new;
        for (request, reason) in [
            (new().to_address("0x1"), "to_address requires"),
            (new().to_address(" ").asset_type("eth"), "to_address is empty"),
            (new().asset_type(""), "asset_type is empty"),
            (new().network(""), "network is empty"),
            (new().fiat_amount(amount("0.00")), "zero"),
            (new().webhook_url("shop.example/hook"), "webhook_url"),
            (new().webhook_url("http://shop.example/hook"), "webhook_url"),
            (new().webhook_url("https://me:secret@shop.example"), "webhook_url"),
            (new().additional_field("", "x"), "additional field"),
            (new().additional_field("a]", "x"), "additional field"),
        ] {
            let error = json(&request).unwrap_err();
            assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        }
        json(&new().to_address("0x1").network("base")).unwrap();
    }

    #[test]
    fn debug_output_contains_no_secrets() {
        let request = WidgetRequest::new().webhook_url("https://hidden").to_address("hidden").additional_field(0, "hidden");
        assert!(!format!("{request:?}").contains("hidden"), "{request:?}");
    }
}
