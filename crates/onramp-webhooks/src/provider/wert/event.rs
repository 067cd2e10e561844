//! The envelope of Wert's events.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use smol_str::SmolStr;

use super::{ClickId, Order, SessionId, WertPayload, identity};
use crate::event::fields::{Decode, Fields};
use crate::event::model::{ObjectWriter, deserialize_by_decoding};
use crate::event::{CompletedPurchase, CustomerReference, DecodeError, Extra, RawJson, UnclearPurchase};
use crate::identity::Identity;
use crate::json::{Document, Value};
use crate::provider::ProviderEvent;

/// An event of Wert's widget.
///
/// ```
/// use onramp_webhooks::wert::{WertEvent, WertPayload};
///
/// let event: WertEvent = serde_json::from_str(r#"{"type":"login","click_id":"shop-20418"}"#)?;
/// assert!(matches!(event.payload, WertPayload::Login(_)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WertEvent {
    /// The string that the shop passed to the widget. Documented as always present, but optional here.
    pub click_id: Option<ClickId>,
    /// The id of the visit to the payment page, in newer events. A value that is no identifier is in `extra`.
    pub hpp_session_id: Option<SessionId>,
    /// The type of the event and its content.
    pub payload: WertPayload,
    /// Fields that this model does not have.
    pub extra: Extra,
}

impl WertEvent {
    /// Creates an event with this payload and no other fields.
    #[must_use]
    pub fn new(payload: WertPayload) -> Self {
        Self { click_id: None, hpp_session_id: None, payload, extra: Extra::default() }
    }
}

impl Decode for WertEvent {
    fn decode(value: Value<'_>) -> Result<Self, DecodeError> {
        let mut fields = Fields::read(value)?;
        let type_name: SmolStr = fields.required("type")?;
        let payload = WertPayload::take(&type_name, &mut fields)?;
        if let WertPayload::OrderComplete(order) = &payload {
            order.check_complete()?;
        }
        let click_id = match payload {
            WertPayload::Test | WertPayload::Unknown(_) => fields.if_fits("click_id"),
            _ => fields.optional("click_id"),
        }?;
        Ok(Self { click_id, hpp_session_id: fields.if_fits("hpp_session_id")?, payload, extra: fields.into() })
    }
}

impl Serialize for WertEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = ObjectWriter::begin(serializer)?;
        object.required("type", self.payload.type_name())?;
        object.optional("click_id", &self.click_id)?;
        object.optional("hpp_session_id", &self.hpp_session_id)?;
        self.payload.write(&mut object)?;
        object.end(&self.extra)
    }
}

deserialize_by_decoding!(WertEvent);

impl ProviderEvent for WertEvent {
    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        Self::read_document(&Document::new(body))
    }

    fn read_document(document: &Document<'_>) -> Result<Self, DecodeError> {
        let json = document.json().ok_or_else(|| DecodeError::malformed(document.malformed()))?;
        Self::decode(json.root())
    }

    fn type_name(&self) -> &str {
        self.payload.type_name()
    }

    fn type_label(&self) -> &'static str {
        self.payload.known_type_name().unwrap_or("unknown")
    }

    fn identity(&self) -> Identity {
        identity::of(self)
    }

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        match &self.payload {
            WertPayload::OrderComplete(order) => purchase(self.click_id.as_ref(), order),
            _ => Ok(None),
        }
    }

    fn claimed_type(document: &Document<'_>) -> Option<String> {
        let fields = Fields::read(document.json()?.root()).ok()?;
        Some(RawJson::from(fields.get("type")?).to_text()?.into_owned())
    }
}

/// Returns `None` for an order without amounts, which is never read from a body.
fn purchase(click_id: Option<&ClickId>, order: &Order) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
    let Some((base, quote)) = order.sides() else { return Ok(None) };
    let customer = CustomerReference::new(click_id.map(ToString::to_string), BTreeMap::new());
    let purchase = CompletedPurchase {
        address: order.address.clone(),
        transaction: order.transaction_id.clone(),
        order: order.id.clone(),
        ..CompletedPurchase::new(customer, quote, base)
    };
    purchase.with_fiat_found().map(Some)
}
