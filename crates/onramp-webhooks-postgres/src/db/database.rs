//! The pool with a time limit, and retries of transactions.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Error, PgPool};
use tokio::time::timeout;

use super::error::{failed, is_passing, is_read_only};
use super::schema::Schema;

/// The number of attempts for a transaction that conflicts with another one or loses its connection.
const TRIES: u32 = 4;

/// The application's pool and the schema in its database.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) schema: Arc<Schema>,
    /// Set if a connection to the server is shared with other clients, between transactions.
    pub(crate) is_pooled: bool,
    /// The address of the server without a pooler.
    pub(crate) direct: Option<Arc<PgConnectOptions>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// The time limit of one attempt. A server that hangs, or a network that drops all packets, reports no error.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// For calls whose caller has a deadline.
    Prompt,
    /// For calls that may read many rows.
    Patient,
    /// For migrations, which may build an index on many rows.
    Endless,
}

impl Limit {
    pub(super) const fn time(self) -> Duration {
        match self {
            Self::Prompt => Duration::from_secs(5),
            Self::Patient => Duration::from_secs(30),
            Self::Endless => Duration::MAX,
        }
    }

    /// Returns the milliseconds after which the server ends a statement or a transaction.
    pub(super) fn at_the_server(self) -> u128 {
        at_the_server(self.time())
    }
}

/// Returns the milliseconds after which the server ends a transaction of a client with this limit. Otherwise the server would keep the
/// locks of a client that disappears during a statement or behind a network that drops all packets, because it notices neither.
pub(super) fn at_the_server(limit: Duration) -> u128 {
    (limit.as_millis() * 9 / 10).clamp(1, 2_000_000_000)
}

/// Returns the error of a server that does not respond in time.
pub(super) fn silence(limit: Limit) -> Error {
    Error::Protocol(format!("the server did not respond within {:?}", limit.time()))
}

impl Database {
    /// Returns the address for a session that is not shared with other clients, if there is one.
    pub(crate) fn unshared(&self) -> Option<Arc<PgConnectOptions>> {
        self.direct.clone().or_else(|| (!self.is_pooled).then(|| self.pool.connect_options()))
    }

    /// Returns whether the connections use TLS, and `true` if that is not known: a pooler does not tell how it was reached.
    pub(crate) async fn has_tls(&self) -> bool {
        let options = self.pool.connect_options();
        if matches!(options.get_ssl_mode(), PgSslMode::Disable) || options.get_socket().is_some() {
            return false;
        }
        if self.is_pooled {
            return true;
        }
        let asked = self.tried_raw(Limit::Prompt, |_| async {
            let mut transaction = self.begin_reading().await?;
            let ask = self.schema.scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
            let has_tls = ask.fetch_optional(&mut *transaction).await?;
            transaction.rollback().await?;
            Ok(has_tls)
        });
        asked.await.ok().flatten().unwrap_or(true)
    }

    /// Runs `work`, which is one complete transaction, and retries it after a transient failure. `work` gets the number of previous
    /// attempts.
    pub(crate) async fn tried<T, W, F>(&self, context: &'static str, limit: Limit, work: W) -> Result<T, StoreError>
    where
        W: Fn(u32) -> F,
        F: Future<Output = sqlx::Result<T>>,
    {
        self.tried_raw(limit, work).await.map_err(failed(context))
    }

    /// Runs `work` as [`tried`](Self::tried) does, but returns the unconverted error of the database.
    pub(crate) async fn tried_raw<T, W, F>(&self, limit: Limit, work: W) -> sqlx::Result<T>
    where
        W: Fn(u32) -> F,
        F: Future<Output = sqlx::Result<T>>,
    {
        let mut before = 0;
        loop {
            let Ok(done) = timeout(limit.time(), work(before)).await else {
                self.close_idle_connections();
                return Err(silence(limit));
            };
            match done {
                Err(error) if before + 1 < TRIES => {
                    let recovered = timeout(limit.time(), self.recover(error)).await;
                    recovered.unwrap_or_else(|_| Err(silence(limit)))?;
                    before += 1;
                }
                done => return done,
            }
        }
    }

    /// Makes a retry possible, or returns the error.
    async fn recover(&self, error: Error) -> sqlx::Result<()> {
        tracing::debug!(%error, "a transaction failed");
        if is_read_only(&error) {
            // After a failover, connections may lead to the server that is no longer the primary.
            self.close_idle_connections();
        }
        if is_passing(&error) { Ok(()) } else { self.advance_ids(error).await }
    }

    /// Closes the idle connections after a timeout. They may be dead as well, and each dead connection would make another call time out.
    fn close_idle_connections(&self) {
        while let Some(mut connection) = self.pool.try_acquire() {
            connection.close_on_drop();
        }
    }
}
