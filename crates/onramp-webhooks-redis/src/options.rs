//! Options for opening the store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use redis::aio::ConnectionLike;

use crate::RedisIdempotencyStore;
use crate::db::{Connection, Prefix, Reconnecting, Server, Shared, failed, warn_of_eviction};

/// The default time limit of a call. It leaves the middleware time to meet its own deadline.
const TIME_LIMIT: Duration = Duration::from_millis(2_500);

/// Options for opening a [`RedisIdempotencyStore`].
///
/// ```no_run
/// # async fn open(connection: redis::aio::ConnectionManager) -> Result<(), onramp_webhooks::StoreError> {
/// use onramp_webhooks_redis::RedisOptions;
///
/// let store = RedisOptions::new(connection).prefix("shop:idempotency").open_idempotency_store().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisOptions {
    connection: Arc<dyn Connection>,
    prefix: String,
    time_limit: Duration,
}

impl RedisOptions {
    /// Returns the default options for the database of `connection`. The application may use the connection as well.
    ///
    /// The clones of `connection` must share one connection, as those of a `ConnectionManager`, a `MultiplexedConnection` or a cluster's
    /// `ClusterConnection` do. A `ConnectionManager` reconnects after a loss; a `MultiplexedConnection` does not.
    #[must_use]
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self::over(Shared(connection))
    }

    /// Connects to `url`, such as `redis://cache.example/`, and returns the default options for that connection. Cancel-safe.
    ///
    /// The connection reconnects after a loss, when the server stops responding, and when the primary server has become a replica.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid or the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Reconnecting::connect(url).await.map(Self::over).map_err(failed("connect to Redis"))
    }

    fn over(connection: impl Connection + 'static) -> Self {
        Self { connection: Arc::new(connection), prefix: "onramp".into(), time_limit: TIME_LIMIT }
    }

    /// Sets the beginning of all keys, which has up to 64 characters of a to z, A to Z, 0 to 9, `_`, `-`, `.` and `:`. The default is
    /// `onramp`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the time limit of a call, with its retries. The default is 2.5 s.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Opens the store. Logs a warning if the server would evict keys when its memory is full, unless the user may not run `INFO`.
    ///
    /// # Errors
    /// Returns an error if the prefix is invalid, or the server cannot be reached, does not respond in time or refuses the user.
    pub async fn open_idempotency_store(self) -> Result<RedisIdempotencyStore, StoreError> {
        let prefix = Prefix::new(&self.prefix)?;
        let server = Server { connection: self.connection, prefix, time_limit: self.time_limit };
        warn_of_eviction(&server).await?;
        Ok(RedisIdempotencyStore::of(server))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, time_limit, connection: _ } = self;
        f.debug_struct("RedisOptions").field("prefix", prefix).field("time_limit", time_limit).finish_non_exhaustive()
    }
}
