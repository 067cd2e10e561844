//! The envelope of Wert's events.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde::{Serialize, Serializer};

use super::endpoint::STOPPING;
use super::{Order, WertPayload, identity};
use crate::body;
use crate::event::fields::{Decode, Fields};
use crate::event::model::{ObjectWriter, deserialize_by_decoding};
use crate::event::{
    Acknowledgement, ClickId, CompletedPurchase, CustomerReference, DecodeError, Extra, Money, ProviderRules, SessionId,
    UnclearPurchase, fiat_and_crypto,
};
use crate::extract::{self, Unreadable};
use crate::fingerprint::Fingerprint;
use crate::identity::Identity;
use crate::reply::Reply;
use crate::request::Request;
use crate::watchdog::Stopping;

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
    /// The string that you gave to the widget. Documented to be always there, and still not relied upon.
    pub click_id: Option<ClickId>,
    /// The visit to the payment page; newer events have it. What is not a string is in `extra`.
    pub hpp_session_id: Option<SessionId>,
    /// The event's type, and what events of that type carry.
    pub payload: WertPayload,
    /// Fields that this model does not know.
    pub extra: Extra,
}

impl WertEvent {
    /// An event with nothing known but its payload.
    #[must_use]
    pub fn new(payload: WertPayload) -> Self {
        Self { click_id: None, hpp_session_id: None, payload, extra: Extra::default() }
    }

    /// Reads the event that a request brings, of at most 1 MiB and within 3 s; see [`extract`](crate::extract). What cannot be
    /// read arrives as [`Unreadable`], because Wert needs an acknowledgement for that, too.
    ///
    /// # Errors
    /// The answer to send when the body did not arrive: 408.
    pub fn extract<S, E>(
        request: &Request<'_>,
        body: S,
    ) -> impl Future<Output = Result<Result<Self, Unreadable>, Reply>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>>,
    {
        extract::any(request, body)
    }

    /// The same for a body that has been read already.
    ///
    /// # Errors
    /// None; it has the form of [`extract`](Self::extract).
    pub fn extract_whole(
        request: &Request<'_>,
        body: Bytes,
    ) -> impl Future<Output = Result<Result<Self, Unreadable>, Reply>> + use<> {
        Self::extract(request, body::whole(body))
    }
}

impl Decode for WertEvent {
    fn decode(json: &str) -> Result<Self, DecodeError> {
        let mut fields = Fields::read(json)?;
        let payload = WertPayload::take(fields.required("type")?, &mut fields)?;
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

impl ProviderRules for WertEvent {
    const ACKNOWLEDGEMENT: Acknowledgement = Acknowledgement::Always;

    const STOPPING: Stopping = STOPPING;

    fn decode(text: &str) -> Result<Self, DecodeError> {
        Decode::decode(text)
    }

    fn type_name(&self) -> &str {
        self.payload.type_name()
    }

    fn type_label(&self) -> &'static str {
        self.payload.known_type_name().unwrap_or("unknown")
    }

    fn identity(&self, endpoint: &str, fingerprint: &Fingerprint, horizon: Duration) -> Identity {
        identity::of(self, endpoint, fingerprint, horizon)
    }

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        match &self.payload {
            WertPayload::OrderComplete(order) => purchase(self.click_id.as_ref(), order).map(Some),
            _ => Ok(None),
        }
    }
}

fn purchase(click_id: Option<&ClickId>, order: &Order) -> Result<CompletedPurchase, UnclearPurchase> {
    let base = Money::new(order.base_amount.clone(), order.base.clone());
    let quote = Money::new(order.quote_amount.clone(), order.quote.clone());
    let (fiat, crypto) = fiat_and_crypto(base, quote)?;
    Ok(CompletedPurchase {
        customer: CustomerReference::new(click_id.map(ToString::to_string), BTreeMap::new()),
        crypto,
        fiat,
        address: order.address.clone(),
        transaction: order.transaction_id.clone(),
        order: order.id.clone(),
    })
}
