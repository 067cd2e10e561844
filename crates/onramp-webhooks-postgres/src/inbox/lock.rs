//! Row locks.
//!
//! Every transaction takes them in one order, so that no two wait for each other: first the heads of orders, then the other deliveries,
//! each by their ids. A delivery behind a head is changed only while the head is locked, so a settlement waits for no other deliveries. One
//! that releases deliveries that were claimed behind a head does not hold the head; if the server ends it because of a deadlock, it is
//! repeated.

use std::collections::HashSet;

use onramp_webhooks::inbox::NewDelivery;
use sqlx::PgConnection;

use crate::db::{Schema, column};

/// The treatment of deliveries that another transaction has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locked {
    Skip,
    Wait,
}

/// The deliveries that a transaction is going to change.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) ids: Vec<i64>,
    /// The keys that the deliveries have.
    pub(super) keys: Vec<Vec<u8>>,
    /// The orders of all the deliveries.
    pub(super) orders: Vec<Vec<u8>>,
}

impl Rows {
    /// Adds the deliveries that hold the key of `new`, or that of its conflict.
    pub(super) fn add_holders_of(&mut self, new: &NewDelivery) {
        let Some(key) = &new.key else { return };
        self.keys.extend([key.clone(), key.conflicting(&new.fingerprint)].iter().map(column::hash_of_key));
        self.orders.push(column::hash_of_subject(key));
    }
}

// A condition on an array, or without a limit, would let the planner read all heads where it has no statistics.
const HEADS: &str = "SELECT id FROM onramp.deliveries
    WHERE id = ANY (ARRAY (SELECT head.id FROM UNNEST($1::bytea[]) AS wanted (order_key) CROSS JOIN LATERAL (
            SELECT id FROM onramp.deliveries
            WHERE order_key = wanted.order_key AND order_key IS NOT NULL AND due_at IS NOT NULL LIMIT 1) AS head))
        AND due_at IS NOT NULL
    ORDER BY id FOR UPDATE";

// Leaves out deliveries whose heads are not among those that are locked, `$4`.
const ROWS: &str = "SELECT d.key FROM onramp.deliveries d
    WHERE d.id = ANY (ARRAY (
            SELECT holder.id FROM UNNEST($2::bytea[]) AS wanted (key) CROSS JOIN LATERAL (
                SELECT id FROM onramp.deliveries WHERE key = wanted.key LIMIT 1) AS holder
            UNION ALL SELECT UNNEST($1::bigint[])))
        AND ($3 OR (SELECT head.id FROM onramp.deliveries head WHERE head.order_key = d.order_key AND head.order_key IS NOT NULL
            AND head.due_at IS NOT NULL AND head.id <> ALL ($4) LIMIT 1) IS NULL)
    ORDER BY d.id FOR UPDATE";

/// Locks the heads of the orders, and then the deliveries, until the transaction ends. Returns the keys of the deliveries that are locked.
pub(super) async fn lock(
    connection: &mut PgConnection,
    schema: &Schema,
    rows: Rows,
    locked: Locked,
) -> sqlx::Result<HashSet<Vec<u8>>> {
    let skip = if locked == Locked::Skip { " SKIP LOCKED" } else { "" };
    let heads = format!("{HEADS}{skip}");
    let mut held: Vec<i64> = schema.scalar(&heads).bind(&rows.orders).fetch_all(&mut *connection).await?;
    if locked == Locked::Wait {
        // A head that ended during the wait is not found. The next statement sees the one that followed it.
        held = schema.scalar(&heads).bind(&rows.orders).fetch_all(&mut *connection).await?;
    }
    let waits = locked == Locked::Wait;
    let rows = schema.scalar(&format!("{ROWS}{skip}")).bind(rows.ids).bind(rows.keys).bind(waits).bind(held);
    let keys: Vec<Option<Vec<u8>>> = rows.fetch_all(connection).await?;
    Ok(keys.into_iter().flatten().collect())
}
