//! The queue of waiting deliveries: for each order, the head that can be claimed, and those behind it.
//!
//! The head has its time in `due_at`, all others in `waits_at`, so a claim reads only heads. Zero means "never settled": due since its
//! arrival, whatever the clock says. Those that were claimed behind the head have -1 in `waits_at`, and follow it first.
//!
//! A transaction that changes which deliveries of an order wait holds the row of the head, or fails because the index of heads has another
//! one; then it is repeated. Only a settlement of those that were claimed behind the head need not hold it: nobody else changes them. It promotes by a function of the database, which sees the deliveries that went behind the head before the row was
//! locked.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, State};
use sqlx::{PgConnection, Row};

use super::state::{LEASED, sql};
use crate::db::{Schema, column};

/// The head of an order.
pub(super) struct Head {
    id: DeliveryId,
    is_leased: bool,
    due_at: i64,
}

impl Head {
    /// Returns whether a new delivery may precede this head, so that the head of the order has to be chosen again.
    pub(super) fn may_yield(&self, received_at: Timestamp) -> bool {
        !self.is_leased && self.due_at > 0 && received_at.as_millis() <= self.due_at
    }
}

sql!(
    LOCK_HEAD = "SELECT id, state = {LEASED} AS leased, due_at FROM onramp.deliveries
    WHERE order_key = $1 AND order_key IS NOT NULL AND due_at IS NOT NULL FOR UPDATE"
);

/// Locks the head of an order until the transaction ends. Returns `None` if nothing of the order waits.
pub(super) async fn lock_head(connection: &mut PgConnection, schema: &Schema, order: &[u8]) -> sqlx::Result<Option<Head>> {
    // A delivery that was no longer the head after the wait for its lock is not found. The next statement sees the one that followed it.
    for _ in 0..2 {
        let head = schema.query(&LOCK_HEAD).bind(order).fetch_optional(&mut *connection).await?;
        if let Some(row) = head {
            return Ok(Some(Head { id: column::id(&row)?, is_leased: row.try_get("leased")?, due_at: row.try_get("due_at")? }));
        }
    }
    Ok(None)
}

const ENTER: &str = "UPDATE onramp.deliveries
    SET due_at = CASE WHEN order_key IS NULL THEN 0 END, waits_at = CASE WHEN order_key IS NOT NULL THEN 0 END WHERE id = $1";

/// Adds a delivery that is due at once.
pub(super) async fn enter(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    order: Option<&[u8]>,
) -> sqlx::Result<()> {
    let head = match order {
        Some(order) => lock_head(connection, schema, order).await?,
        None => None,
    };
    schema.query(ENTER).bind(id.as_i64()).execute(&mut *connection).await?;
    match (order, head) {
        (Some(order), None) => promote(connection, schema, &[order.to_vec()]).await,
        (Some(order), Some(head)) if !head.is_leased => settle_head(connection, schema, order).await,
        _ => Ok(()),
    }
}

const LEAVE: &str =
    "UPDATE onramp.deliveries SET due_at = NULL, waits_at = NULL, lease_until = NULL, lost_claims = 0 WHERE id = $1";

/// Removes a delivery. The next one of its order becomes the head.
pub(super) async fn leave(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    order: Option<&[u8]>,
) -> sqlx::Result<()> {
    change(connection, schema, id, order, LEAVE).await
}

const FREE_KEY: &str = "UPDATE onramp.deliveries
    SET subject = NULL, discriminator = NULL, key = NULL, order_key = NULL,
        due_at = coalesce(due_at, CASE WHEN waits_at IS NOT NULL THEN greatest(waits_at, 0) END), waits_at = NULL
    WHERE id = $1";

/// Takes the key from a delivery, which is an order of its own from then on.
pub(super) async fn free_key(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    order: Option<&[u8]>,
) -> sqlx::Result<()> {
    change(connection, schema, id, order, FREE_KEY).await
}

/// Runs a statement that takes a delivery from its order.
async fn change(
    connection: &mut PgConnection,
    schema: &Schema,
    id: DeliveryId,
    order: Option<&[u8]>,
    statement: &str,
) -> sqlx::Result<()> {
    let head = match order {
        Some(order) => lock_head(connection, schema, order).await?,
        None => None,
    };
    schema.query(statement).bind(id.as_i64()).execute(&mut *connection).await?;
    match order {
        Some(order) if head.is_some_and(|head| head.id == id) => promote(connection, schema, &[order.to_vec()]).await,
        _ => Ok(()),
    }
}

const RETURN_HEAD: &str = "UPDATE onramp.deliveries SET waits_at = due_at, due_at = NULL
    WHERE order_key = $1 AND order_key IS NOT NULL AND due_at IS NOT NULL";

/// Puts the head of an order behind, until the next call of [`settle_head`].
pub(super) async fn return_head(connection: &mut PgConnection, schema: &Schema, order: &[u8]) -> sqlx::Result<()> {
    schema.query(RETURN_HEAD).bind(order).execute(connection).await.map(drop)
}

const RETURN_HEADS: &str = "UPDATE onramp.deliveries SET waits_at = due_at, due_at = NULL
    WHERE id = ANY (ARRAY (SELECT head.id FROM UNNEST($1::bytea[]) AS wanted (order_key) CROSS JOIN LATERAL (
            SELECT id, state FROM onramp.deliveries
            WHERE order_key = wanted.order_key AND order_key IS NOT NULL AND due_at IS NOT NULL LIMIT 1) AS head
        WHERE head.state <> $2))";

/// Puts the heads of orders behind, until the next call of [`promote`], unless they are leased. The heads must be locked.
pub(super) async fn return_heads(connection: &mut PgConnection, schema: &Schema, orders: &[Vec<u8>]) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let heads = schema.query(RETURN_HEADS).bind(orders).bind(column::number(State::Leased));
    heads.execute(connection).await.map(drop)
}

/// Chooses the head of an order again. Its head must be locked, and not leased.
pub(super) async fn settle_head(connection: &mut PgConnection, schema: &Schema, order: &[u8]) -> sqlx::Result<()> {
    return_head(connection, schema, order).await?;
    promote(connection, schema, &[order.to_vec()]).await
}

const PROMOTE: &str = "SELECT onramp.promote($1)";

/// Makes the next delivery of each order without a head its head.
pub(super) async fn promote(connection: &mut PgConnection, schema: &Schema, orders: &[Vec<u8>]) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    schema.query(PROMOTE).bind(orders).execute(connection).await.map(drop)
}
