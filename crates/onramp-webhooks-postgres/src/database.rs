//! Transactions: durable, and tried again when they were not at fault.

use std::future::Future;
use std::sync::Arc;

use onramp_webhooks::StoreError;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::error::{failed, is_passing};
use crate::schema::Schema;

/// How often a transaction is tried that stands in another's way, or whose connection is lost.
const TRIES: u32 = 4;

/// The application's pool, and our place in the database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) schema: Arc<Schema>,
}

impl Database {
    /// Begins a transaction whose commit returns once it is on the server's disk. It waits for a lock only so long that the receiver
    /// can still answer before its ack deadline.
    pub(crate) async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        self.pool.begin_with(AssertSqlSafe(BEGIN.to_owned())).await
    }

    /// Begins a transaction beside which no other one does what `name` says, in this schema.
    pub(crate) async fn begin_alone(&self, name: &'static str) -> sqlx::Result<Transaction<'static, Postgres>> {
        let schema = self.schema.name();
        let alone = format!("{BEGIN}; SELECT pg_advisory_xact_lock(hashtextextended('onramp-webhooks/{name}/{schema}', 0))");
        self.pool.begin_with(AssertSqlSafe(alone)).await
    }
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SELECT set_config('lock_timeout', '2500ms', true), \
           CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// Runs `work`, which is one whole transaction, and runs it again when it failed for what passes; it is told how often it ran before.
pub(crate) async fn tried<T, W, F>(context: &'static str, work: W) -> Result<T, StoreError>
where
    W: Fn(u32) -> F,
    F: Future<Output = sqlx::Result<T>>,
{
    tried_raw(work).await.map_err(failed(context))
}

/// [`tried`], with the database's own error.
pub(crate) async fn tried_raw<T, W, F>(work: W) -> sqlx::Result<T>
where
    W: Fn(u32) -> F,
    F: Future<Output = sqlx::Result<T>>,
{
    let mut before = 0;
    loop {
        match work(before).await {
            Err(error) if before + 1 < TRIES && is_passing(&error) => {
                tracing::debug!(%error, before, "the transaction is tried again");
                before += 1;
            }
            done => return done,
        }
    }
}
