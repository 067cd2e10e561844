//! Synthetic deliveries: events that no provider sent.

use std::sync::Arc;

use bytes::Bytes;

use super::{NewDelivery, read};
use crate::clock::Timestamp;
use crate::event::DecodeError;
use crate::provider::{Decoder, Provider, ProviderEvent};

/// Error returned when creating a synthetic delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// The body is not an event.
    #[error("not an event: {0}")]
    Unreadable(#[from] DecodeError),
    /// The event has no id of its own, so the real event would be handled as well if it arrived later.
    #[error("the event has no id of its own, so the real event would be handled as well")]
    Unrepeatable,
}

impl NewDelivery {
    /// Creates a delivery for an event that is known to have happened and that the provider did not send.
    ///
    /// The body is read as if it had arrived at `endpoint`. The delivery has the key of the real event. If the real event arrives
    /// later, it is a duplicate, or a conflict if its amounts or currencies differ. [`Delivery::is_synthetic`](crate::Delivery::is_synthetic) distinguishes the two.
    ///
    /// # Errors
    /// Returns an error if `body` is not an event of `P`, or if the event has no id of its own.
    pub fn synthetic<P: Provider>(endpoint: impl Into<Arc<str>>, now: Timestamp, body: Bytes) -> Result<Self, SyntheticError> {
        let endpoint = endpoint.into();
        let event = P::Event::read(&body)?;
        let mut new = read::delivery(&endpoint, Decoder::of::<P>(), now, body).delivery;
        let fingerprint = new.fingerprint.to_synthetic();
        let key = event.identity().key(&endpoint, event.type_name(), &fingerprint);
        if new.key.is_none() || new.key_expires_at.is_some() || key != new.key {
            return Err(SyntheticError::Unrepeatable);
        }
        new.fingerprint = fingerprint;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wert;
    use crate::identity::OrderStage;

    fn made(body: &'static str) -> Result<NewDelivery, SyntheticError> {
        NewDelivery::synthetic::<Wert>("wert", Timestamp::from_millis(7), Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_synthetic_delivery_has_the_key_and_the_stage_of_a_real_one() {
        let body = include_str!("../../fixtures/wert/order_complete.json");
        let real =
            read::delivery(&"wert".into(), Decoder::of::<Wert>(), Timestamp::from_millis(7), Bytes::from_static(body.as_bytes()));
        let made = made(body).unwrap();
        assert_eq!((&made.key, made.stage), (&real.delivery.key, Some(OrderStage::FINAL)));
        assert_eq!((made.received_at, made.event_type), (real.delivery.received_at, real.delivery.event_type));
        assert!(made.fingerprint.is_synthetic() && !real.delivery.fingerprint.is_synthetic());
    }

    #[test]
    fn an_event_without_an_id_is_refused() {
        let order = r#""order":{"id":"O","base":"BTC","base_amount":"1","quote":"USD","quote_amount":"1"}"#;
        for body in [
            r#"{"type":"test","click_id":"C"}"#.to_owned(),
            r#"{"type":"login","click_id":"C"}"#.to_owned(),
            format!(r#"{{"type":"order_failed","click_id":"C",{order}}}"#),
            format!(r#"{{"type":"order_complete","click_id":"C",{}}}"#, order.replace(r#""id":"O","#, "")),
        ] {
            let made = NewDelivery::synthetic::<Wert>("wert", Timestamp::default(), body.clone().into());
            assert_eq!(made.unwrap_err(), SyntheticError::Unrepeatable, "{body}");
        }
        assert!(matches!(made("{}"), Err(SyntheticError::Unreadable(_))));
    }
}
