//! Transactions: durable, limited in time, and tried again when they were not at fault.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, Error, PgConnection, PgPool, Postgres, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use tokio::time::timeout;

use crate::error::{failed, is_passing};
use crate::schema::Schema;

/// How often a transaction is tried that stands in another's way, or whose connection is lost.
const TRIES: u32 = 4;

/// A setting that ends with its transaction.
pub(crate) const MARK: &str = "onramp.transaction";

/// What it is set to.
pub(crate) const OPEN: &str = "open";

/// A savepoint, which goes with its transaction, too, and can be asked for where a statement has failed.
pub(crate) const SAVEPOINT: &str = "onramp_transaction";

/// The application's pool, and our place in the database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) schema: Arc<Schema>,
}

impl Database {
    /// Begins a transaction whose commit returns once it is on the server's disk. It waits for a lock only so long that the receiver
    /// can still answer before its ack deadline.
    pub(crate) async fn begin(&self, limit: Limit) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, beginning(limit.time())).await
    }

    /// Begins a transaction beside which no other one does what `name` says, in this schema. Waiting for that is a statement of its own,
    /// so that the next one sees what the others did.
    pub(crate) async fn begin_alone(&self, name: &'static str) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; {}", beginning(Limit::Patient.time()), self.alone(name))).await
    }

    /// [`begin_alone`](Self::begin_alone) for statements that have to go through the indexes made for them. A planner without fresh
    /// statistics, which an inbox that was empty a moment ago always is for, would rather read and sort all that is due, or compile.
    pub(crate) async fn begin_alone_by_index(&self, name: &'static str) -> sqlx::Result<Transaction> {
        let by_index = ["jit", "enable_sort", "enable_seqscan", "enable_bitmapscan"];
        let by_index = by_index.map(|setting| format!("set_config('{setting}', 'off', true)")).join(", ");
        Transaction::begin(&self.pool, format!("{}, {by_index}; {}", beginning(Limit::Patient.time()), self.alone(name))).await
    }

    /// Begins a transaction for a handler, which has `limit` for it.
    pub(crate) async fn begin_for(&self, limit: Duration) -> sqlx::Result<Transaction> {
        let mark = format!("SELECT set_config('{MARK}', '{OPEN}', true)");
        Transaction::begin(&self.pool, format!("{}; {mark}; SAVEPOINT {SAVEPOINT}", beginning(limit))).await
    }

    /// Begins a transaction on which nothing rests, and whose commit waits for no disk.
    pub(crate) async fn begin_hasty(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; SET LOCAL synchronous_commit = off", beginning(Limit::Prompt.time()))).await
    }

    /// Begins a transaction that only reads.
    pub(crate) async fn begin_reading(&self) -> sqlx::Result<Transaction> {
        Transaction::begin(&self.pool, format!("{}; SET TRANSACTION READ ONLY", beginning(Limit::Patient.time()))).await
    }

    fn alone(&self, name: &str) -> String {
        format!("SELECT pg_advisory_xact_lock(hashtextextended('onramp-webhooks/{name}/{}', 0))", self.schema)
    }
}

/// The server, too, ends what takes too long: it does not notice that its client has gone away in the middle of a statement, or that
/// the network swallows everything, and would go on holding the locks.
fn beginning(limit: Duration) -> String {
    let millis = (limit.as_millis() * 9 / 10).clamp(1, 2_000_000_000);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SELECT set_config('lock_timeout', '2500ms', true), \
                set_config('statement_timeout', '{millis}ms', true), \
                set_config('idle_in_transaction_session_timeout', '{millis}ms', true), \
                CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
    )
}

/// A transaction on a connection of the pool. One that neither committed nor rolled back, because it failed or its caller went away,
/// closes its connection: sqlx's own gives a connection whose `BEGIN` was cut off back to the application, inside a transaction that
/// nobody ends.
pub(crate) struct Transaction {
    connection: PoolConnection<Postgres>,
    is_open: bool,
}

impl Transaction {
    async fn begin(pool: &PgPool, statement: String) -> sqlx::Result<Self> {
        let mut transaction = Self { connection: pool.acquire().await?, is_open: true };
        PgTransactionManager::begin(&mut transaction.connection, Some(AssertSqlSafe(statement).into_sql_str())).await?;
        Ok(transaction)
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

    /// How many savepoints of sqlx's own are open inside.
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

/// How long one try may take. A server that hangs, or a network that swallows what is sent, says nothing by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// For what somebody waits for who has a deadline of his own.
    Prompt,
    /// For what may have much to read.
    Patient,
}

impl Limit {
    const fn time(self) -> Duration {
        match self {
            Self::Prompt => Duration::from_secs(5),
            Self::Patient => Duration::from_secs(30),
        }
    }
}

impl Database {
    /// Runs `work`, which is one whole transaction, and runs it again when it failed for what passes; it is told how often it ran
    /// before.
    pub(crate) async fn tried<T, W, F>(&self, context: &'static str, limit: Limit, work: W) -> Result<T, StoreError>
    where
        W: Fn(u32) -> F,
        F: Future<Output = sqlx::Result<T>>,
    {
        self.tried_raw(limit, work).await.map_err(failed(context))
    }

    /// [`tried`](Self::tried), with the database's own error.
    pub(crate) async fn tried_raw<T, W, F>(&self, limit: Limit, work: W) -> sqlx::Result<T>
    where
        W: Fn(u32) -> F,
        F: Future<Output = sqlx::Result<T>>,
    {
        let mut before = 0;
        loop {
            let Ok(done) = timeout(limit.time(), work(before)).await else {
                self.forget_idle_connections();
                return Err(Error::Protocol(format!("no answer within {:?}", limit.time())));
            };
            match done {
                Err(error) if before + 1 < TRIES && is_passing(&error) => {
                    tracing::debug!(%error, before, "the transaction is tried again");
                    before += 1;
                }
                done => return done,
            }
        }
    }

    /// After silence: what lies idle in the pool may be as dead, and each such connection would cost another call its whole time.
    fn forget_idle_connections(&self) {
        while let Some(mut connection) = self.pool.try_acquire() {
            connection.close_on_drop();
        }
    }
}
