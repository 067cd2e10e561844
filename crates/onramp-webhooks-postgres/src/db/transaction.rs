//! Transactions whose commit is durable and whose time is limited.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::database::{Database, Limit, at_the_server};
use super::error::{is_lost, is_unclean};

/// A setting that ends with its transaction and therefore identifies it.
pub(crate) const MARK: &str = "onramp.transaction";

/// The value of that setting.
pub(crate) const OPEN: &str = "open";

/// A savepoint that also ends with its transaction, and identifies it even after a failed statement.
pub(crate) const SAVEPOINT: &str = "onramp_transaction";

/// The time that a statement waits for a lock.
const LOCK_TIMEOUT: &str = "2500ms";

/// The settings for statements that must use their indexes. A planner without fresh statistics, as in an inbox that was empty a moment
/// ago, would read the whole table, sort all due deliveries or compile the statement. The plans do not depend on values, so that they are
/// made once.
const BY_INDEX: [(&str, &str); 5] = [
    ("jit", "off"),
    ("enable_sort", "off"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

impl Database {
    /// Begins a transaction. Its commit returns when it is on the server's disk. The time that its statements wait for locks leaves the
    /// receiver time to respond before its ack deadline. Its statements are planned with [`BY_INDEX`].
    pub(crate) async fn begin(&self, limit: Limit) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}, {}", beginning(limit.time()), by_index(true))).await
    }

    /// Begins a transaction as [`begin`](Self::begin), for the statement that records a batch.
    pub(crate) async fn begin_batch(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}, {}", beginning(Limit::Prompt.time()), of_batch(true))).await
    }

    /// Begins a transaction that excludes all others with the same `name` in this schema. It waits for them in a separate statement, so
    /// that the next statement sees their changes.
    pub(crate) async fn begin_alone(&self, name: &'static str) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; {}", beginning(Limit::Patient.time()), self.alone(name))).await
    }

    /// Begins a transaction as [`begin_alone`](Self::begin_alone). Its statements are planned with [`BY_INDEX`].
    pub(crate) async fn begin_alone_by_index(&self, name: &'static str) -> sqlx::Result<Transaction> {
        let beginning = format!("{}, {}", beginning(Limit::Patient.time()), by_index(true));
        Transaction::begin(&self.pool, format!("{beginning}; {}", self.alone(name))).await
    }

    /// Begins a transaction for a migration, and waits for those of other processes. Its statements take as long as they need, but wait for
    /// no lock for long, because everything else would wait behind them.
    pub(crate) async fn begin_migration(&self) -> sqlx::Result<Transaction> {
        let (beginning, alone) = (beginning(Limit::Patient.time()), self.alone("migrate"));
        let patient = "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)";
        let begin = format!("{beginning}; {patient}; {alone}; SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}', true)");
        Transaction::begin(&self.pool, begin).await
    }

    /// Begins a transaction for a handler that may take `limit`.
    pub(crate) async fn begin_for(&self, limit: Duration) -> sqlx::Result<Transaction> {
        let mark = format!("set_config('{MARK}', '{OPEN}', true)");
        Transaction::begin(&self.pool, format!("{}, {mark}; SAVEPOINT {SAVEPOINT}", beginning(limit))).await
    }

    /// Begins a transaction whose commit does not wait for the disk, for changes whose loss is acceptable.
    pub(crate) async fn begin_hasty(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; SET LOCAL synchronous_commit = off", beginning(Limit::Prompt.time()))).await
    }

    /// Begins a transaction that only reads.
    pub(crate) async fn begin_reading(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; SET TRANSACTION READ ONLY", beginning(Limit::Patient.time()))).await
    }

    /// Begins a transaction that only reads, and in which all statements see one state of the tables. They are planned with [`BY_INDEX`].
    pub(crate) async fn begin_query(&self) -> sqlx::Result<Transaction> {
        let beginning = beginning(Limit::Patient.time()).replacen("READ COMMITTED", "REPEATABLE READ, READ ONLY", 1);
        Transaction::begin(&self.pool, format!("{beginning}, {}", by_index(true))).await
    }

    fn alone(&self, name: &str) -> String {
        format!("SELECT pg_advisory_xact_lock(hashtextextended('onramp-webhooks/{name}/{}', 0))", self.schema)
    }
}

/// The setting for the statement that records a batch. The planner takes a batch for a few rows, which it would compare with each other one
/// by one.
const OF_BATCH: (&str, &str) = ("enable_nestloop", "off");

/// Returns expressions that change [`BY_INDEX`], until the end of the transaction or of the session.
fn by_index(is_of_transaction: bool) -> String {
    settings(&BY_INDEX, is_of_transaction)
}

/// Returns expressions that change the settings for the statement that records a batch.
pub(super) fn of_batch(is_of_transaction: bool) -> String {
    format!("{}, {}", by_index(is_of_transaction), settings(&[OF_BATCH], is_of_transaction))
}

fn settings(settings: &[(&str, &str)], is_of_transaction: bool) -> String {
    let set = |(name, value): &(&str, &str)| format!("set_config('{name}', '{value}', {is_of_transaction})");
    settings.iter().map(set).collect::<Vec<_>>().join(", ")
}

/// Returns the statements that begin a transaction.
fn beginning(limit: Duration) -> String {
    let millis = at_the_server(limit);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}', true), \
                set_config('statement_timeout', '{millis}ms', true), \
                set_config('idle_in_transaction_session_timeout', '{millis}ms', true), \
                CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
    )
}

/// Repeats `begin` while the pool has connections that the application returned inside a transaction, or that were lost while they were idle.
pub(super) async fn on_clean_connection<T, F>(pool: &PgPool, begin: impl Fn() -> F) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    for _ in 0..pool.options().get_max_connections() {
        match begin().await {
            Err(error) if is_unclean(&error) => {
                tracing::warn!(%error, "closing a connection that was returned to the pool inside a transaction");
            }
            Err(error) if is_lost(&error) => tracing::debug!(%error, "closing a connection that was lost"),
            begun => return begun,
        }
    }
    begin().await
}

/// A transaction on a connection of the pool.
///
/// If the transaction was neither committed nor rolled back, because it failed or was dropped, its connection is closed. sqlx's own type
/// would return a connection with an interrupted `BEGIN` to the pool, inside a transaction that never ends.
pub(crate) struct Transaction {
    connection: PoolConnection<Postgres>,
    is_open: bool,
}

impl Transaction {
    async fn begin(pool: &PgPool, statement: String) -> sqlx::Result<Self> {
        let statement = AssertSqlSafe(statement).into_sql_str();
        on_clean_connection(pool, || async {
            let mut transaction = Self { connection: pool.acquire().await?, is_open: true };
            PgTransactionManager::begin(&mut transaction.connection, Some(statement.clone())).await?;
            Ok(transaction)
        })
        .await
    }

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        PgTransactionManager::commit(&mut self.connection).await?;
        self.is_open = false;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> sqlx::Result<()> {
        PgTransactionManager::rollback(&mut self.connection).await?;
        self.is_open = false;
        Ok(())
    }

    /// Returns the number of open savepoints that sqlx made.
    pub(crate) fn savepoints(&self) -> usize {
        PgTransactionManager::get_transaction_depth(&self.connection).saturating_sub(1)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
