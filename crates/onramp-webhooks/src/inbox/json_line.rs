//! Deliveries as lines of JSON, for moving them between inboxes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{DeadCause, Record, State, UnknownState};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, OrderStage};

/// Error returned when reading a delivery from a line of JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonLineError {
    /// The line is not JSON, or a field is missing or has another type.
    #[error("the line is no delivery: {0}")]
    Json(#[from] serde_json::Error),
    /// The body or the fingerprint is not base64.
    #[error("{0} is not base64")]
    Base64(&'static str),
    /// The fingerprint does not have 32 bytes.
    #[error("the fingerprint does not have 32 bytes")]
    Fingerprint,
    /// The state is unknown.
    #[error(transparent)]
    State(#[from] UnknownState),
}

/// The fields of a line. Times are milliseconds since 1970.
#[derive(Deserialize, Serialize)]
struct Line {
    object: String,
    id: String,
    endpoint: String,
    provider: String,
    #[serde(rename = "type")]
    event_type: Option<String>,
    subject: Option<String>,
    discriminator: Option<String>,
    key_expires_at: Option<i64>,
    stage: Option<u8>,
    fingerprint: String,
    state: String,
    received_at: i64,
    due_at: Option<i64>,
    settled_at: Option<i64>,
    cause: Option<u8>,
    attempts: u32,
    duplicates: u64,
    note: Option<String>,
    resolved_at: Option<i64>,
    resolution: Option<String>,
    body: Option<String>,
}

const OBJECT: &str = "delivery";

impl Record {
    /// Returns the delivery as one line of JSON, without the line break. The body is in base64, so that it comes back to the byte.
    ///
    /// The line contains the body and the key, which hold personal data.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
        let line = Line {
            object: OBJECT.to_owned(),
            id: self.id.to_string(),
            endpoint: self.endpoint.to_string(),
            provider: self.provider.as_str().to_owned(),
            event_type: self.event_type.clone(),
            subject: self.key.as_ref().map(|key| key.subject().to_owned()),
            discriminator: self.key.as_ref().map(|key| key.discriminator().to_owned()),
            key_expires_at: millis(self.key_expires_at),
            stage: self.stage.map(OrderStage::as_u8),
            fingerprint: STANDARD.encode(self.fingerprint.as_bytes()),
            state: self.state.to_string(),
            received_at: self.received_at.as_millis(),
            due_at: millis(self.due_at),
            settled_at: millis(self.settled_at),
            cause: self.cause.map(DeadCause::as_u8),
            attempts: self.attempts,
            duplicates: self.duplicates,
            note: self.note.clone(),
            resolved_at: millis(self.resolved_at),
            resolution: self.resolution.clone(),
            body: self.body.as_ref().map(|body| STANDARD.encode(body)),
        };
        // Texts, numbers and options of them can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Reads a delivery from a line of JSON. Unknown fields are ignored.
    ///
    /// # Errors
    /// Returns an error if the line is not one of [`to_json_line`](Self::to_json_line).
    pub fn from_json_line(line: &str) -> Result<Self, JsonLineError> {
        let line: Line = serde_json::from_str(line)?;
        let fingerprint = STANDARD.decode(&line.fingerprint).map_err(|_| JsonLineError::Base64("the fingerprint"))?;
        let body = line.body.map(|body| STANDARD.decode(body)).transpose().map_err(|_| JsonLineError::Base64("the body"))?;
        let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        Ok(Self {
            id: line.id.parse().unwrap_or(DeliveryId::from_i64(0)),
            endpoint: line.endpoint.into(),
            provider: line.provider.into(),
            event_type: line.event_type,
            key: line.subject.zip(line.discriminator).map(|(subject, rest)| DedupKey::from_parts(subject, rest)),
            key_expires_at: at(line.key_expires_at),
            stage: line.stage.map(OrderStage::from_u8),
            fingerprint: Fingerprint::from_bytes(fingerprint.try_into().map_err(|_| JsonLineError::Fingerprint)?),
            state: line.state.parse::<State>()?,
            received_at: Timestamp::from_millis(line.received_at),
            due_at: at(line.due_at),
            settled_at: at(line.settled_at),
            cause: line.cause.and_then(DeadCause::from_u8),
            attempts: line.attempts,
            duplicates: line.duplicates,
            note: line.note,
            resolved_at: at(line.resolved_at),
            resolution: line.resolution,
            body: body.map(Into::into),
        })
    }
}
