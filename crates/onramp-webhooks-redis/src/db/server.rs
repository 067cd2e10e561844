//! Calls with a time limit and retries.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::{StoreError, StoreErrorKind};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisFuture, RedisResult, Value, from_redis_value};
use tokio::time::timeout;

use super::error::{failed, is_passing, is_unknown_script};
use super::prefix::Prefix;
use super::script::Script;

/// The number of attempts for a call whose connection is lost.
const TRIES: u32 = 4;

/// The pause before a retry, in which a connection can be established.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that concurrent calls share.
pub(crate) trait Connection: Send + Sync {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

/// The application's own connection. Its clones share one connection.
pub(crate) struct Shared<C>(pub(crate) C);

impl<C: ConnectionLike + Clone + Send + Sync> Connection for Shared<C> {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.0.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }
}

/// A connection, and the prefix of the keys on its server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) prefix: Prefix,
    pub(crate) time_limit: Duration,
}

impl Server {
    /// Runs a script on one entry. `arguments` gets the number of previous attempts, which may have run although their replies were lost.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        context: &'static str,
        script: &Script,
        key: &IdempotencyKey,
        arguments: impl Fn(u32) -> Vec<Vec<u8>>,
    ) -> Result<T, StoreError> {
        let key = self.prefix.key(key);
        let tried = async {
            let mut before = 0;
            loop {
                match self.run_once(script, &key, &arguments(before)).await {
                    Err(error) if before + 1 < TRIES && is_passing(&error) => {
                        tracing::debug!(%error, before, "repeating a call");
                        before += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                    done => return done.map_err(failed(context)),
                }
            }
        };
        let reply = self.in_time(context, tried).await?;
        from_redis_value(reply).map_err(|error| failed(context)(error.into()))
    }

    async fn run_once(&self, script: &Script, key: &str, arguments: &[Vec<u8>]) -> RedisResult<Value> {
        match self.connection.send(&script.by_hash(key, arguments)).await {
            Err(error) if is_unknown_script(&error) => self.connection.send(&script.by_text(key, arguments)).await,
            done => done,
        }
    }

    /// Runs a call with the time limit. A call that exceeds it fails as unavailable, but Redis may have run it.
    pub(crate) async fn in_time<T>(
        &self,
        context: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = || StoreError::new(StoreErrorKind::Unavailable, context).because("Redis did not respond in time");
        timeout(self.time_limit, call).await.unwrap_or_else(|_| Err(late()))
    }
}
