//! Columns as the core's types.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::Provider;
use onramp_webhooks::identity::DedupKey;
use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};

pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// A column that never holds less than zero.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0))
}

pub(crate) fn provider(row: &Row<'_>, column: usize) -> rusqlite::Result<Provider> {
    let name: String = row.get(column)?;
    name.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// A key from two columns that lie side by side.
pub(crate) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DedupKey>> {
    let halves = (row.get::<_, Option<String>>(column)?, row.get::<_, Option<String>>(column + 1)?);
    Ok(match halves {
        (Some(subject), Some(discriminator)) => Some(DedupKey::from_parts(subject, discriminator)),
        _ => None,
    })
}

pub(crate) fn out_of_range(column: usize, number: i64) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(FromSqlError::OutOfRange(number)))
}
