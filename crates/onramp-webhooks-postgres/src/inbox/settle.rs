//! Settlement of leases.

use std::collections::HashSet;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, HistoryEntry, Lease, Settled, Settlement, State};
use sqlx::PgConnection;

use super::claim::{held, numbers};
use super::history;
use super::state::{HANDLED, LEASED, PENDING, sql};
use crate::db::{MARK, OPEN, Schema, column, text};

// Locks the rows in the order of the arrays or of the primary key, which is the same.
sql!(
    SETTLE = "WITH settled AS MATERIALIZED (
        UPDATE onramp.deliveries d
    SET state = ended.state, settled_at = ended.settled_at, cause = ended.cause, attempts = d.attempts + ended.attempts,
        note = CASE WHEN ended.state = {PENDING} THEN d.note ELSE ended.note END, lease_until = NULL, lost_claims = 0,
        due_at = CASE WHEN d.order_key IS NULL THEN CASE WHEN ended.state = {PENDING} THEN d.due_at ELSE ended.due_at END END,
        waits_at = CASE WHEN d.order_key IS NOT NULL
            THEN CASE WHEN ended.state = {PENDING} THEN coalesce(d.due_at, 0) ELSE ended.due_at END END
    FROM UNNEST($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::smallint[])
        AS ended (id, fence, state, due_at, settled_at, attempts, note, cause)
    WHERE d.id = ended.id AND d.fence = ended.fence AND d.state = {LEASED}
    RETURNING d.id, d.fence, d.order_key
    ), promoted AS MATERIALIZED (
        SELECT onramp.promote(array_agg(order_key)) AS done FROM settled WHERE order_key IS NOT NULL HAVING count(*) > 0
    )
    SELECT settled.id, settled.fence, promoted.done FROM settled LEFT JOIN promoted ON true"
);

/// Settles leases, and returns those that were lost. If a lease is settled several times, the first settlement counts. The next delivery of
/// each order becomes the head.
pub(super) async fn settle(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    settlements: &[Settlement],
) -> sqlx::Result<Vec<Lease>> {
    let mut seen = HashSet::new();
    let mut first: Vec<_> = settlements.iter().filter(|settlement| seen.insert(settlement.lease)).collect();
    first.sort_unstable_by_key(|settlement| settlement.lease.id);
    let ends: Vec<_> = first.iter().map(|settlement| End::of(&settlement.outcome, now)).collect();
    let (ids, fences) = numbers(first.iter().map(|settlement| &settlement.lease));
    let rows = schema
        .query(&SETTLE)
        .bind(ids)
        .bind(fences)
        .bind(ends.iter().map(|end| column::number(end.state)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.due_at.map(again_at)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.settled_at.map(Timestamp::as_millis)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.attempts).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.note.map(text::stored)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.cause.map(|cause| i16::from(cause.as_u8()))).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    let mut held = held(&rows)?;
    let settled = first.iter().filter(|settlement| held.contains(&settlement.lease));
    let entries: Vec<_> =
        settled.filter_map(|settlement| Some((settlement.lease.id, HistoryEntry::of(&settlement.outcome, now)?))).collect();
    history::add(connection, schema, &entries).await?;
    Ok(settlements.iter().map(|settlement| settlement.lease).filter(|lease| !held.remove(lease)).collect())
}

sql!(
    COMPLETE = "WITH completed AS MATERIALIZED (
        UPDATE onramp.deliveries
        SET state = {HANDLED}, due_at = NULL, waits_at = NULL, lease_until = NULL, lost_claims = 0, settled_at = $3,
            attempts = attempts + 1, note = NULL
        WHERE id = $1 AND fence = $2 AND state = {LEASED} AND current_setting($4, true) = $5
        RETURNING order_key
    )
    SELECT CASE WHEN order_key IS NOT NULL THEN onramp.promote(ARRAY[order_key]) END FROM completed"
);

/// Completes a delivery in a handler's transaction, and makes the next delivery of its order the head. Returns `false` if the lease was lost
/// or this is another transaction.
pub(super) async fn complete(connection: &mut PgConnection, schema: &Schema, now: Timestamp, lease: Lease) -> sqlx::Result<bool> {
    let completed = schema
        .query(&COMPLETE)
        .bind(lease.id.as_i64())
        .bind(lease.fence)
        .bind(now.as_millis())
        .bind(MARK)
        .bind(OPEN)
        .fetch_optional(connection)
        .await?;
    Ok(completed.is_some())
}

/// The columns of a delivery after its lease.
struct End<'a> {
    state: State,
    due_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    attempts: i64,
    note: Option<&'a str>,
    cause: Option<DeadCause>,
}

impl<'a> End<'a> {
    fn of(outcome: &'a Settled, now: Timestamp) -> Self {
        let (state, due_at, settled_at, attempts, note) = match outcome {
            Settled::Handled => (State::Handled, None, Some(now), 1, None),
            Settled::Retry { at, error } => (State::Retrying, Some(*at), None, 1, Some(error.as_str())),
            Settled::Parked { until, reason } => (State::Parked, Some(*until), None, 0, Some(reason.as_str())),
            Settled::Dead { error, .. } => (State::Dead, None, Some(now), 1, Some(error.as_str())),
            // An outcome that only a later version of the core knows releases the delivery, so that it is not lost.
            Settled::Released | _ => (State::Pending, None, None, 0, None),
        };
        Self { state, due_at, settled_at, attempts, note, cause: outcome.cause() }
    }
}

/// Returns the column's value for a time. Zero means "never settled" in the column, so the value is at least one.
fn again_at(at: Timestamp) -> i64 {
    at.as_millis().max(1)
}
