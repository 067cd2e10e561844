//! A connection outside of the pool, whose session has the limits of a transaction, so that one statement can be the whole transaction.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr, raw_sql};

use super::database::{Database, Limit};
use super::transaction::{of_batch, on_clean_connection};

/// The time that a statement waits for a lock. A delivery that has to wait longer is recorded by itself.
const LOCK_TIMEOUT: &str = "1s";

/// The value of `synchronous_commit` with which a commit waits for the disk. It is set in any case, because the server's may change.
const DURABLE: &str = "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')";

/// Keeps the connection between transactions.
#[derive(Debug, Default)]
pub(crate) struct Session(Mutex<Option<Open>>);

/// A connection, which is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) connection: PgConnection,
    since: Instant,
    used: Instant,
}

impl Session {
    /// Returns the connection, or a new one where there is none or the pool would replace it.
    pub(crate) async fn take(&self, database: &Database) -> sqlx::Result<Open> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept.filter(|open| open.is_usable(database)) {
            Some(open) => Ok(open),
            None => database.detached().await.map(Open::new),
        }
    }

    /// Keeps a connection on which no transaction failed.
    pub(crate) fn keep(&self, open: Open) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Open { used: Instant::now(), ..open });
    }
}

impl Open {
    fn new(connection: PgConnection) -> Self {
        Self { connection, since: Instant::now(), used: Instant::now() }
    }

    fn is_usable(&self, database: &Database) -> bool {
        let options = database.pool.options();
        let is_within = |start: Instant, limit| Option::is_none_or(limit, |limit| start.elapsed() < limit);
        !database.pool.is_closed()
            && is_within(self.since, options.get_max_lifetime())
            && is_within(self.used, options.get_idle_timeout())
    }
}

impl Database {
    /// Takes a connection out of the pool, with the limits in its session, and outside of any transaction.
    async fn detached(&self) -> sqlx::Result<PgConnection> {
        let millis = Limit::Prompt.at_the_server();
        let session = format!(
            "BEGIN; ROLLBACK; SELECT set_config('lock_timeout', '{LOCK_TIMEOUT}', false), \
                set_config('statement_timeout', '{millis}ms', false), \
                set_config('default_transaction_isolation', 'read committed', false), \
                set_config('synchronous_commit', {DURABLE}, false), {}",
            of_batch(false)
        );
        let session = AssertSqlSafe(session).into_sql_str();
        on_clean_connection(&self.pool, || async {
            let mut connection = self.pool.acquire().await?;
            connection.close_on_drop();
            raw_sql(session.clone()).execute(&mut *connection).await?;
            Ok(connection.detach())
        })
        .await
    }
}
