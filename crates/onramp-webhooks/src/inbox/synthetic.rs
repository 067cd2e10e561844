//! Deliveries that no provider sent.

use std::sync::Arc;

use bytes::Bytes;

use super::NewDelivery;
use crate::clock::Timestamp;
use crate::event::{DecodeError, Event, Provider};
use crate::fingerprint::Fingerprint;
use crate::receiver::read;

/// Why a delivery cannot be made from a body that no provider sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// It is no event.
    #[error("not an event: {0}")]
    Unreadable(#[from] DecodeError),
    /// What makes the event the same as another is its body, or nothing: a real one that comes later would be another event, and both
    /// would be handled.
    #[error("such an event has no identity but its body, so that a real one that comes later would be handled, too")]
    Unrepeatable,
}

impl NewDelivery {
    /// A delivery that no provider sent, of an event that is known to have happened: read like one that came in at `endpoint`, with the
    /// same key, so that the real one, should it come later, is a duplicate. [`Delivery::is_synthetic`](crate::Delivery::is_synthetic)
    /// tells it apart.
    ///
    /// # Errors
    /// When `body` is not an event, or one that has no identity but its body.
    pub fn synthetic(
        endpoint: impl Into<Arc<str>>,
        provider: Provider,
        now: Timestamp,
        body: Bytes,
    ) -> Result<Self, SyntheticError> {
        let (endpoint, horizon) = (endpoint.into(), read::DEFAULT_RETRY_HORIZON);
        let event = Event::decode(provider, &body)?;
        let mut new = read::delivery(&endpoint, provider, horizon, now, body).delivery;
        let identity = event.identity(&endpoint, &Fingerprint::SYNTHETIC, horizon);
        if new.key.is_none() || new.key_expires_at.is_some() || identity.key != new.key {
            return Err(SyntheticError::Unrepeatable);
        }
        new.fingerprint = Fingerprint::SYNTHETIC;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Stage;

    fn made(body: &'static str) -> Result<NewDelivery, SyntheticError> {
        NewDelivery::synthetic("wert", Provider::Wert, Timestamp::from_millis(7), Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn it_has_the_key_and_the_stage_of_a_real_one() {
        let body = include_str!("../../fixtures/wert/order_complete.json");
        let real = read::delivery(
            &"wert".into(),
            Provider::Wert,
            read::DEFAULT_RETRY_HORIZON,
            Timestamp::from_millis(7),
            Bytes::from_static(body.as_bytes()),
        );
        let made = made(body).unwrap();
        assert_eq!((&made.key, made.stage), (&real.delivery.key, Some(Stage::FINAL)));
        assert_eq!((made.received_at, made.event_type), (real.delivery.received_at, real.delivery.event_type));
        assert!(made.fingerprint.is_synthetic() && !real.delivery.fingerprint.is_synthetic());
    }

    #[test]
    fn what_a_real_one_would_not_repeat_is_refused() {
        let order = r#""order":{"id":"O","base":"BTC","base_amount":"1","quote":"USD","quote_amount":"1"}"#;
        for body in [
            r#"{"type":"test","click_id":"C"}"#.to_owned(),
            r#"{"type":"login","click_id":"C"}"#.to_owned(),
            format!(r#"{{"type":"order_failed","click_id":"C",{order}}}"#),
            format!(r#"{{"type":"order_complete","click_id":"C",{}}}"#, order.replace(r#""id":"O","#, "")),
        ] {
            let made = NewDelivery::synthetic("wert", Provider::Wert, Timestamp::default(), body.clone().into());
            assert_eq!(made.unwrap_err(), SyntheticError::Unrepeatable, "{body}");
        }
        assert!(matches!(made("{}"), Err(SyntheticError::Unreadable(_))));
    }
}
