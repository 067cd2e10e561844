//! Settlement of leases.

use std::collections::HashSet;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Lease, Settled, Settlement, State};
use sqlx::PgConnection;

use super::claim::{held, numbers};
use super::state::{HANDLED, LEASED, PENDING, sql};
use crate::db::{MARK, OPEN, Schema, column, text};

sql!(
    SETTLE = "UPDATE onramp.deliveries d
    SET state = ended.state, due_at = ended.due_at, settled_at = ended.settled_at, cause = ended.cause, attempts = d.attempts + ended.attempts,
        note = CASE WHEN ended.state = {PENDING} THEN d.note ELSE ended.note END
    FROM UNNEST($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::smallint[])
        AS ended (id, fence, state, due_at, settled_at, attempts, note, cause)
    WHERE d.id = ended.id AND d.fence = ended.fence AND d.state = {LEASED}
    RETURNING d.id, d.fence"
);

/// Settles leases, and returns those that were lost. If a lease is settled several times, the first settlement counts.
pub(super) async fn settle(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    settlements: &[Settlement],
) -> sqlx::Result<Vec<Lease>> {
    let mut seen = HashSet::new();
    let first: Vec<_> = settlements.iter().filter(|settlement| seen.insert(settlement.lease)).collect();
    let ends: Vec<_> = first.iter().map(|settlement| End::of(&settlement.outcome, now)).collect();
    let (ids, fences) = numbers(first.iter().map(|settlement| &settlement.lease));
    let rows = schema
        .query(&SETTLE)
        .bind(ids)
        .bind(fences)
        .bind(ends.iter().map(|end| column::number(end.state)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.due_at.map(Timestamp::as_millis)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.settled_at.map(Timestamp::as_millis)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.attempts).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.note.map(text::stored)).collect::<Vec<_>>())
        .bind(ends.iter().map(|end| end.cause.map(|cause| i16::from(cause.as_u8()))).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut held = held(&rows)?;
    Ok(settlements.iter().map(|settlement| settlement.lease).filter(|lease| !held.remove(lease)).collect())
}

sql!(
    COMPLETE = "UPDATE onramp.deliveries
    SET state = {HANDLED}, due_at = NULL, settled_at = $3, attempts = attempts + 1, note = NULL
    WHERE id = $1 AND fence = $2 AND state = {LEASED} AND current_setting($4, true) = $5"
);

/// Completes a delivery in a handler's transaction. Returns `false` if the lease was lost or this is another transaction.
pub(super) async fn complete(connection: &mut PgConnection, schema: &Schema, now: Timestamp, lease: Lease) -> sqlx::Result<bool> {
    let completed = schema
        .query(&COMPLETE)
        .bind(lease.id.as_i64())
        .bind(lease.fence)
        .bind(now.as_millis())
        .bind(MARK)
        .bind(OPEN)
        .execute(connection)
        .await?;
    Ok(completed.rows_affected() > 0)
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
