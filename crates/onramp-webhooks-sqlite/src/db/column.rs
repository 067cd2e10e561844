//! Conversion of columns to the core's types.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::Amount;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::provider::ProviderName;
use onramp_webhooks::purchases::PurchaseFields;
use rusqlite::Row;
use rusqlite::types::Type;

pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads a column that is never negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0))
}

pub(crate) fn provider(row: &Row<'_>, column: usize) -> rusqlite::Result<ProviderName> {
    row.get::<_, String>(column).map(ProviderName::from)
}

pub(crate) fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Amount>> {
    row.get::<_, Option<String>>(column)?.map(|text| text.parse()).transpose().map_err(invalid_text(column))
}

pub(crate) fn fields(row: &Row<'_>, column: usize) -> rusqlite::Result<PurchaseFields> {
    let fields = PurchaseFields::from_json(&row.get::<_, String>(column)?);
    fields.ok_or_else(|| rusqlite::Error::InvalidColumnType(column, "fields".into(), Type::Text))
}

/// Reads a key from two adjacent columns.
pub(crate) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DedupKey>> {
    let halves = (row.get::<_, Option<String>>(column)?, row.get::<_, Option<String>>(column + 1)?);
    Ok(match halves {
        (Some(subject), Some(discriminator)) => Some(DedupKey::from_parts(subject, discriminator)),
        _ => None,
    })
}

fn invalid_text<E: std::error::Error + Send + Sync + 'static>(column: usize) -> impl Fn(E) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Converts a number of rows or bytes to a value that SQLite can hold.
pub(crate) fn bound(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
