//! Conversion between columns and the core's types.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::Amount;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{DeadCause, DeliveryId, State};
use onramp_webhooks::provider::ProviderName;
use onramp_webhooks::purchases::PurchaseFields;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::text;

pub(crate) fn id(row: &PgRow) -> sqlx::Result<DeliveryId> {
    row.try_get("id").map(DeliveryId::from_i64)
}

pub(crate) fn timestamp(row: &PgRow, column: &str) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

/// Reads a column that is never negative.
pub(crate) fn count(row: &PgRow, column: &str) -> sqlx::Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

pub(crate) fn attempts(row: &PgRow) -> sqlx::Result<u32> {
    Ok(u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX))
}

pub(crate) fn text(row: &PgRow, column: &str) -> sqlx::Result<Option<String>> {
    Ok(row.try_get::<Option<String>, _>(column)?.map(text::read))
}

pub(crate) fn provider(row: &PgRow) -> sqlx::Result<ProviderName> {
    row.try_get::<String, _>("provider").map(ProviderName::from)
}

pub(crate) fn amount(row: &PgRow, column: &str) -> sqlx::Result<Option<Amount>> {
    let parsed = row.try_get::<Option<String>, _>(column)?.map(|text| text.parse()).transpose();
    parsed.map_err(|error| Error::Decode(Box::new(error)))
}

pub(crate) fn fields(row: &PgRow, column: &str) -> sqlx::Result<PurchaseFields> {
    let stored = text(row, column)?.unwrap_or_default();
    PurchaseFields::from_json(&stored).ok_or_else(|| Error::Decode("the fields of a purchase are no JSON object".into()))
}

pub(crate) fn key(row: &PgRow) -> sqlx::Result<Option<DedupKey>> {
    Ok(match (text(row, "subject")?, text(row, "discriminator")?) {
        (Some(subject), Some(discriminator)) => Some(DedupKey::from_parts(subject, discriminator)),
        _ => None,
    })
}

pub(crate) fn stage(row: &PgRow) -> sqlx::Result<Option<OrderStage>> {
    let stage = row.try_get::<Option<i16>, _>("stage")?.and_then(|stage| u8::try_from(stage).ok());
    Ok(stage.map(OrderStage::from_u8))
}

pub(crate) fn state(row: &PgRow) -> sqlx::Result<State> {
    let number: i16 = row.try_get("state")?;
    Ok(u8::try_from(number).map_or(State::Unknown, State::from_u8))
}

/// Returns the cause of a dead letter. A cause that only a later version knows is `None`.
pub(crate) fn cause(row: &PgRow) -> sqlx::Result<Option<DeadCause>> {
    let number = row.try_get::<Option<i16>, _>("cause")?;
    Ok(number.and_then(|number| u8::try_from(number).ok()).and_then(DeadCause::from_u8))
}

pub(crate) fn fingerprint(row: &PgRow) -> sqlx::Result<Fingerprint> {
    let bytes: Vec<u8> = row.try_get("fingerprint")?;
    let bytes = bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| Error::Decode(format!("a fingerprint has {} bytes and not 32", bytes.len()).into()))?;
    Ok(Fingerprint::from_bytes(bytes))
}

/// Returns the column's value for a state.
pub(crate) fn number(state: State) -> i16 {
    i16::from(state.as_u8())
}

/// The number of bytes of a subject that begin its hash: those of an id that grows with time.
const PREFIX: usize = 26;

/// The number of bytes of a hash that follow.
const HASH: usize = 20;

/// Returns the hash that identifies a key. Its size is bounded. The hashes of ids that grow with time grow as well, so that their indexes
/// grow at their ends.
pub(crate) fn hash_of_key(key: &DedupKey) -> Vec<u8> {
    hash(key, &[key.subject().as_bytes(), key.discriminator().as_bytes()])
}

/// Returns the hash that identifies an order, or `None` for an event without an order.
pub(crate) fn hash_of_order(key: Option<&DedupKey>, stage: Option<OrderStage>) -> Option<Vec<u8>> {
    stage.and(key).map(hash_of_subject)
}

/// Returns the hash of the order that events with this key belong to, if they belong to any.
pub(crate) fn hash_of_subject(key: &DedupKey) -> Vec<u8> {
    hash(key, &[key.subject().as_bytes()])
}

/// Returns the range of the hashes of keys whose subject is `subject`, or ends with it after a slash. It is as narrow as the id is long.
/// Returns `None` for an empty id, which all keys could have.
pub(crate) fn hashes_about(subject: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let from: Vec<u8> = last_id(subject).bytes().take(PREFIX).collect();
    let mut until = from.clone();
    // No byte of a text is the greatest.
    *until.last_mut()? += 1;
    Some((from, until))
}

fn last_id(subject: &str) -> &str {
    subject.rsplit('/').next().unwrap_or_default()
}

fn hash(key: &DedupKey, parts: &[&[u8]]) -> Vec<u8> {
    let id = last_id(key.subject());
    let hash = IdempotencyKey::of(parts);
    id.bytes().take(PREFIX).chain(hash.as_bytes().iter().copied().take(HASH)).collect()
}
