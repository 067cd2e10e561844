//! Filters as conditions of a statement, and as lookups in an index.

use std::borrow::Cow;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Filter, Lookup, State};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::state::{CONFLICT, DEAD, OPEN, RESOLVED, sql};
use crate::db::{Schema, column, text};

// The conditions of a filter, except those on ids. A subject is endpoint/kind/id, and neither endpoint nor kind contains a slash.
sql!(
    pub(super) MATCHES = "($5::smallint[] IS NULL OR d.state = ANY ($5) OR ($6 AND d.state > {CONFLICT}))
    AND ($7::text IS NULL OR d.endpoint = $7)
    AND ($8::text IS NULL OR d.provider = $8)
    AND ($9::text IS NULL OR d.event_type = $9)
    AND ($10::text[] IS NULL OR (d.subject LIKE '%/%/%'
        AND substr(d.subject, length(split_part(d.subject, '/', 1)) + length(split_part(d.subject, '/', 2)) + 3) = ANY ($10)))
    AND ($11::text IS NULL OR d.subject = $11)
    AND ($12::bytea IS NULL OR d.key = $12)
    AND ($13::smallint IS NULL OR (d.state = {DEAD} AND d.cause = $13))
    AND ($14::text IS NULL OR strpos(d.note, $14) > 0)
    AND ($15::bigint IS NULL OR d.received_at >= $15)
    AND ($16::bigint IS NULL OR d.received_at < $16)
    AND ($17::boolean IS NULL OR {RESOLVED} = $17)",
    RESOLVED = RESOLVED
);

/// The values of [`MATCHES`].
pub(super) struct Values<'a> {
    filter: &'a Filter,
}

impl<'a> Values<'a> {
    pub(super) const fn of(filter: &'a Filter) -> Self {
        Self { filter }
    }

    pub(super) fn bind(self, query: Query<'static, Postgres, PgArguments>) -> Query<'static, Postgres, PgArguments> {
        let filter = self.filter;
        let states: Vec<i16> = filter.states.iter().map(|state| column::number(*state)).collect();
        let stored = |wanted: &Option<String>| wanted.as_deref().map(text::stored).map(Cow::into_owned);
        query
            .bind(Some(states).filter(|states| !states.is_empty()))
            .bind(filter.states.contains(&State::Unknown))
            .bind(stored(&filter.endpoint))
            .bind(filter.provider.as_ref().map(|provider| provider.as_str().to_owned()))
            .bind(stored(&filter.event_type))
            .bind(filter.about.as_deref().map(|id| DedupKey::stored_ids(id).map(|id| text::stored(&id).into_owned()).to_vec()))
            .bind(stored(&filter.order))
            .bind(filter.key.as_ref().map(column::hash_of_key))
            .bind(filter.cause.map(|cause| i16::from(cause.as_u8())))
            .bind(stored(&filter.error))
            .bind(filter.since.map(Timestamp::as_millis))
            .bind(filter.until.map(Timestamp::as_millis))
            .bind(filter.resolved)
    }
}

const WITH_KEY: &str = "SELECT id FROM onramp.deliveries WHERE key = $1";
const WITH_PREFIX: &str = "SELECT id FROM onramp.deliveries WHERE key >= $1 AND key < $2 LIMIT $3";
// The condition on ids is that of the index. The others have none.
const DUE: &str = "SELECT id FROM onramp.deliveries WHERE due_at IS NOT NULL AND id > 0 LIMIT $1";
const WAITING_BEHIND: &str = "SELECT id FROM onramp.deliveries WHERE waits_at IS NOT NULL LIMIT $1";
sql!(UNRESOLVED = "SELECT id FROM onramp.deliveries WHERE {OPEN} LIMIT $1", OPEN = OPEN);

/// Returns the ids of the deliveries that may match `filter`, in any sequence, by an index. Returns `None` if all have to be looked at.
pub(super) async fn candidates(
    connection: &mut PgConnection,
    schema: &Schema,
    filter: &Filter,
) -> sqlx::Result<Option<Vec<i64>>> {
    let most = filter.most_searched();
    let limit = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    match filter.lookup() {
        Lookup::Key(key) => {
            return schema.scalar(WITH_KEY).bind(column::hash_of_key(key)).fetch_all(connection).await.map(Some);
        }
        Lookup::Order(subject) => {
            let Some((from, until)) = column::hashes_about(subject) else { return Ok(None) };
            found = schema.scalar(WITH_PREFIX).bind(from).bind(until).bind(limit).fetch_all(connection).await?;
        }
        Lookup::About(id) => {
            for id in DedupKey::stored_ids(id) {
                let Some((from, until)) = column::hashes_about(&id) else { return Ok(None) };
                let ids = schema.scalar(WITH_PREFIX).bind(from).bind(until).bind(limit).fetch_all(&mut *connection).await?;
                found.extend::<Vec<i64>>(ids);
            }
        }
        Lookup::Open { waiting, unresolved } => {
            let indexes = [(waiting, DUE), (waiting, WAITING_BEHIND), (unresolved, UNRESOLVED.as_str())];
            for (_, index) in indexes.into_iter().filter(|(is_read, _)| *is_read) {
                let ids = schema.scalar(index).bind(limit).fetch_all(&mut *connection).await?;
                found.extend::<Vec<i64>>(ids);
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(found).filter(|found: &Vec<i64>| found.len() <= most))
}
