//! Opening with the application's own connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use redis::aio::ConnectionLike;
use redis::cmd;

use crate::error::{failed, is_not_allowed};
use crate::own::Own;
use crate::prefix::Prefix;
use crate::server::{Cloned, Connection, Server};
use crate::{RedisIdempotencyStore, eviction};

/// How long a call may take: not so long that the middleware misses its own deadline.
const TIME_LIMIT: Duration = Duration::from_millis(2_500);

/// How to open a [`RedisIdempotencyStore`].
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
    /// Keys that begin with `onramp` in the database of `connection`, which the application may go on using for itself.
    ///
    /// Its clones must share one connection, as those of a `ConnectionManager`, a `MultiplexedConnection` or a cluster's
    /// `ClusterConnection` do. A `ConnectionManager` connects again after a loss; a `MultiplexedConnection` does not.
    #[must_use]
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self::over(Cloned(connection))
    }

    /// The same with a connection of its own to `redis://…`, which connects again by itself: after a loss, when the other machine has
    /// gone silent, and when what was the primary server has become a replica. Cancel-safe.
    ///
    /// # Errors
    /// When the URL is none, or the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Own::connect(url).await.map(Self::over).map_err(failed("connect to Redis"))
    }

    fn over(connection: impl Connection + 'static) -> Self {
        Self { connection: Arc::new(connection), prefix: "onramp".into(), time_limit: TIME_LIMIT }
    }

    /// What all keys begin with: a to z, A to Z, 0 to 9, `_`, `-`, `.` and `:`, at most 64 of them. Default: `onramp`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call may take before it fails, whatever the connection does. Default: 2.5 seconds.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Opens the store, and warns in the log if the server would throw away keys when its memory is full.
    ///
    /// # Errors
    /// When the prefix is none, or the server cannot be reached or does not let us in.
    pub async fn open_idempotency_store(self) -> Result<RedisIdempotencyStore, StoreError> {
        let prefix = Prefix::new(&self.prefix)?;
        let server = Server { connection: self.connection, prefix, time_limit: self.time_limit };
        look(&server).await?;
        Ok(RedisIdempotencyStore::of(server))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, time_limit, connection: _ } = self;
        f.debug_struct("RedisOptions").field("prefix", prefix).field("time_limit", time_limit).finish_non_exhaustive()
    }
}

/// Asks the server how it is set; one that does not tell is not asked again.
async fn look(server: &Server) -> Result<(), StoreError> {
    let mut info = cmd("INFO");
    info.arg("memory");
    let asked = async {
        match server.connection.send(&info).await {
            Err(error) if is_not_allowed(&error) => Ok(None),
            answer => answer.map(Some).map_err(failed("look at Redis")),
        }
    };
    if let Some(policy) = server.in_time("look at Redis", asked).await?.as_ref().and_then(eviction::policy) {
        tracing::warn!(
            maxmemory_policy = policy,
            "Redis will throw away idempotency keys when its memory is full, and requests will run again; set noeviction"
        );
    }
    Ok(())
}
