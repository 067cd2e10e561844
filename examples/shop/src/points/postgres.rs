//! Points in a table beside the inbox's schema. Every statement is unnamed and in a transaction, so that a connection pooler may
//! give each transaction another connection.

use std::sync::Arc;

use onramp_webhooks::HandlerError;
use onramp_webhooks::event::BigDecimal;
use onramp_webhooks_postgres::PostgresTransaction;
use sqlx::PgPool;
use tokio::sync::OnceCell;

use super::{PointsError, number, plain};
use crate::credit::Credit;

/// Creates the table. Several shops may do so at the same time.
const TABLE: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('shop/points'));
    CREATE TABLE IF NOT EXISTS points (customer TEXT PRIMARY KEY, points NUMERIC NOT NULL); COMMIT";

#[derive(Clone, Debug)]
pub(crate) struct PostgresPoints {
    pool: PgPool,
    table: Arc<OnceCell<()>>,
}

impl PostgresPoints {
    /// The points on a server, which may be unavailable.
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, table: Arc::default() }
    }

    /// Credits points in the transaction that completes the delivery.
    pub(crate) async fn credit(&self, transaction: &mut PostgresTransaction, credit: Credit) -> Result<(), HandlerError> {
        self.has_table().await?;
        sqlx::query(
            "INSERT INTO points VALUES ($1, $2::text::numeric)
             ON CONFLICT (customer) DO UPDATE SET points = points.points + excluded.points",
        )
        .bind(credit.customer)
        .bind(plain(&credit.points))
        .persistent(false)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    pub(super) async fn of(&self, customer: &str) -> Result<BigDecimal, PointsError> {
        self.has_table().await?;
        let points = sqlx::query_scalar("SELECT points::text FROM points WHERE customer = $1").bind(customer);
        let mut transaction = self.pool.begin().await?;
        number(points.persistent(false).fetch_optional(&mut *transaction).await?)
    }

    async fn has_table(&self) -> sqlx::Result<()> {
        let make = || async { sqlx::raw_sql(TABLE).execute(&self.pool).await.map(drop) };
        self.table.get_or_try_init(make).await.map(drop)
    }
}
