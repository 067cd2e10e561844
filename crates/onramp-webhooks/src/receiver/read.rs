//! Step three: what the body says, or why it says nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::event::{Event, Provider};
use crate::fingerprint::Fingerprint;
use crate::identity::{self, DedupKey, Identity};
use crate::inbox::{NewDelivery, Quarantine};

/// Wert's documentation spreads its retries over 15 h 05 min.
pub(crate) const SHORTEST_RETRY_HORIZON: Duration = Duration::from_secs(15 * 3_600 + 5 * 60);

/// How long keys count of events that have no identifier of their own, unless an endpoint says otherwise.
pub(crate) const DEFAULT_RETRY_HORIZON: Duration = Duration::from_secs(16 * 3_600);

/// Types longer than this many bytes are kept as their hash; the body has them whole.
const LONGEST_TYPE: usize = 64;

/// Marks the keys of bodies that were cut.
const CUT: &str = "cut:";

/// A delivery as read, with the event type as metrics name it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) delivery: NewDelivery,
    pub(super) label: &'static str,
    pub(super) cut: bool,
}

/// Reads a whole body.
pub(crate) fn delivery(endpoint: &Arc<str>, provider: Provider, retry_horizon: Duration, now: Timestamp, body: Bytes) -> Read {
    match Event::decode(provider, &body) {
        Ok(event) => readable(&event, endpoint, retry_horizon, now, body),
        Err(error) => {
            let reason = error.to_string();
            let quarantine = if error.is_junk() { Quarantine::junk(reason) } else { Quarantine::misfit(reason) };
            quarantined(NewDelivery::new(Arc::clone(endpoint), provider, now, body), quarantine)
        }
    }
}

fn readable(event: &Event, endpoint: &Arc<str>, retry_horizon: Duration, now: Timestamp, body: Bytes) -> Read {
    let fingerprint = Fingerprint::of_decoded(&body);
    let mut new = NewDelivery::with_fingerprint(fingerprint, Arc::clone(endpoint), event.provider(), now, body);
    let Identity { key, horizon, stage } = event.identity(endpoint, &fingerprint, retry_horizon);
    new.event_type = Some(identity::plain_or_hash(event.type_name(), LONGEST_TYPE).into_owned());
    new.key = key;
    new.key_expires_at = horizon.map(|horizon| now.after(horizon));
    new.stage = stage;
    Read { delivery: new, label: event.type_label(), cut: false }
}

/// The reason that a body in a content encoding could not be read.
pub(crate) fn unsupported(encoding: &str) -> String {
    format!("content-encoding {encoding:?} is not supported")
}

/// Blames the content encoding of a body that could not be read: nobody here decodes one, and a later version may.
pub(super) fn blame_encoding(read: Read, encoding: &str) -> Read {
    if read.delivery.quarantine.is_none() {
        return read;
    }
    let quarantine = Some(Quarantine::misfit(unsupported(encoding)));
    Read { delivery: NewDelivery { quarantine, ..read.delivery }, ..read }
}

/// The reason that a body was cut.
pub(crate) fn too_large(limit: usize) -> String {
    format!("cut: the body is larger than the limit of {limit} bytes")
}

/// The beginning of a body over the limit. Its key says so, because what is left may look like a whole body to somebody who replays
/// it.
pub(super) fn cut(endpoint: &Arc<str>, provider: Provider, now: Timestamp, body: Bytes, limit: usize) -> Read {
    let new = NewDelivery::new(Arc::clone(endpoint), provider, now, body);
    let mut read = quarantined(new, Quarantine::junk(too_large(limit)));
    read.delivery.key =
        read.delivery.key.map(|key| DedupKey::from_parts(key.subject().to_owned(), format!("{CUT}{}", key.discriminator())));
    Read { cut: true, ..read }
}

/// Whether a delivery in quarantine is the beginning of a larger body.
pub(crate) fn is_cut(key: Option<&DedupKey>) -> bool {
    key.is_some_and(|key| key.discriminator().starts_with(CUT))
}

/// Keeps one copy of what could not be read, however often it comes.
fn quarantined(mut new: NewDelivery, quarantine: Quarantine) -> Read {
    let subject = identity::subject(&new.endpoint, "quarantine", "");
    new.key = Some(DedupKey::from_parts(subject, new.fingerprint.to_string()));
    new.quarantine = Some(quarantine);
    Read { delivery: new, label: "unreadable", cut: false }
}
