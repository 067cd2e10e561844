//! Reading a body: the third step of receiving.

use std::sync::Arc;

use bytes::Bytes;

use super::{NewDelivery, Quarantine};
use crate::clock::Timestamp;
use crate::event::DecodeError;
use crate::fingerprint::Fingerprint;
use crate::identity::{self, DedupKey};
use crate::provider::{Decoder, Document, Event};

/// Prefix of the discriminator in the keys of cut bodies.
const CUT: &str = "cut:";

/// The result of reading a body: the delivery, and the label of its type for metrics.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) delivery: NewDelivery,
    pub(crate) label: &'static str,
    pub(crate) cut: bool,
    /// Set if the body cannot be read although its type reports purchases.
    pub(crate) unreadable_purchase: bool,
}

/// Reads a whole body.
pub(crate) fn delivery(endpoint: &Arc<str>, decoder: Decoder, now: Timestamp, body: Bytes) -> Read {
    let document = Document::new(&body);
    match (decoder.read)(&document) {
        Ok(event) => {
            let fingerprint = Fingerprint::of_document(&document).with_money(&event.money());
            readable(&event, fingerprint, endpoint, now, body)
        }
        Err(error) => {
            let fingerprint = Fingerprint::of_document(&document).with_money(&[]);
            let claimed_type = if error.is_noise() { None } else { (decoder.claimed_type)(&document) };
            let new = NewDelivery::with_fingerprint(fingerprint, Arc::clone(endpoint), decoder.facts.name(), now, body);
            unreadable(new, &error, claimed_type.as_deref(), decoder)
        }
    }
}

fn readable(event: &Event, fingerprint: Fingerprint, endpoint: &Arc<str>, now: Timestamp, body: Bytes) -> Read {
    let identity = event.identity();
    let mut new = NewDelivery::with_fingerprint(fingerprint, Arc::clone(endpoint), event.provider(), now, body);
    new.event_type = Some(identity::stored_type(event.type_name()));
    new.key = identity.key(endpoint, event.type_name(), &fingerprint);
    new.key_expires_at = identity.horizon(event.facts().retry_horizon).map(|horizon| now.after(horizon));
    new.duplicate_within = identity.duplicate_within(event.facts().retry_horizon);
    new.stage = identity.stage();
    Read { delivery: new, label: event.type_label(), cut: false, unreadable_purchase: false }
}

fn unreadable(mut new: NewDelivery, error: &DecodeError, claimed_type: Option<&str>, decoder: Decoder) -> Read {
    let reason = error.to_string();
    if error.is_noise() {
        return quarantined(new, Quarantine::noise(reason));
    }
    let unreadable_purchase = claimed_type.is_some() && claimed_type == decoder.facts.purchase_type;
    new.event_type = claimed_type.map(identity::stored_type);
    Read { unreadable_purchase, ..quarantined(new, Quarantine::unreadable(reason)) }
}

/// Returns the reason for a body in an unsupported content encoding.
pub(crate) fn unsupported(encoding: &str) -> String {
    format!("content-encoding {encoding:?} is not supported")
}

/// Replaces the reason why a body is unreadable by its content encoding, which a later version may support.
pub(crate) fn blame_encoding(read: Read, encoding: &str) -> Read {
    if read.delivery.quarantine.is_none() {
        return read;
    }
    let quarantine = Some(Quarantine::unreadable(unsupported(encoding)));
    Read { delivery: NewDelivery { quarantine, ..read.delivery }, ..read }
}

/// Returns the reason for a cut body.
pub(crate) fn too_large(limit: usize) -> String {
    format!("cut: the body is larger than the limit of {limit} bytes")
}

/// Quarantines the beginning of a body over the limit. The key marks it as cut, because a replay could mistake the beginning for a
/// whole body.
pub(crate) fn cut(endpoint: &Arc<str>, decoder: Decoder, now: Timestamp, body: Bytes, limit: usize) -> Read {
    let new = NewDelivery::new(Arc::clone(endpoint), decoder.facts.name(), now, body);
    let mut read = quarantined(new, Quarantine::noise(too_large(limit)));
    read.delivery.key =
        read.delivery.key.map(|key| DedupKey::from_parts(key.subject().to_owned(), format!("{CUT}{}", key.discriminator())));
    Read { cut: true, ..read }
}

/// Returns whether a quarantined delivery is the beginning of a larger body.
pub(crate) fn is_cut(key: Option<&DedupKey>) -> bool {
    key.is_some_and(|key| key.discriminator().starts_with(CUT))
}

/// Quarantines an unreadable body. Its key is derived from its content, so that only one copy is kept if it is sent again.
fn quarantined(mut new: NewDelivery, quarantine: Quarantine) -> Read {
    new.key = Some(DedupKey::new(&new.endpoint, "quarantine", "", new.fingerprint.to_string()));
    new.quarantine = Some(quarantine);
    Read { delivery: new, label: "unreadable", cut: false, unreadable_purchase: false }
}
