//! Calls: bounded in time, and made again when the connection was at fault.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::{StoreError, StoreErrorKind};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisFuture, RedisResult, Value, from_redis_value};
use tokio::time::timeout;

use crate::error::{failed, is_passing, is_unknown_script};
use crate::prefix::Prefix;
use crate::scripts::Operation;

/// How often a call is made whose connection is lost.
const TRIES: u32 = 4;

/// Before a call is made again, so that a connection that comes up has time for it.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that can be used by many at once.
pub(crate) trait Connection: Send + Sync {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

/// The application's own connection, whose clones are one connection.
pub(crate) struct Cloned<C>(pub(crate) C);

impl<C: ConnectionLike + Clone + Send + Sync> Connection for Cloned<C> {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.0.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }
}

/// The application's connection, and our place in the database.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) prefix: Prefix,
    pub(crate) time_limit: Duration,
}

impl Server {
    /// Runs an operation on one entry. `arguments` is told how often it was asked before without hearing the answer.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        context: &'static str,
        operation: &Operation,
        key: &IdempotencyKey,
        arguments: impl Fn(u32) -> Vec<Vec<u8>>,
    ) -> Result<T, StoreError> {
        let key = self.prefix.key(key);
        let tried = async {
            let mut before = 0;
            loop {
                match self.run_once(operation, &key, &arguments(before)).await {
                    Err(error) if before + 1 < TRIES && is_passing(&error) => {
                        tracing::debug!(%error, before, "the call is made again");
                        before += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                    done => return done.map_err(failed(context)),
                }
            }
        };
        let answer = self.in_time(context, tried).await?;
        from_redis_value(answer).map_err(|error| failed(context)(error.into()))
    }

    async fn run_once(&self, operation: &Operation, key: &str, arguments: &[Vec<u8>]) -> RedisResult<Value> {
        match self.connection.send(&operation.by_hash(key, arguments)).await {
            Err(error) if is_unknown_script(&error) => self.connection.send(&operation.by_text(key, arguments)).await,
            done => done,
        }
    }

    /// A call that does not return in time counts as one of a server that is away, and may have happened.
    pub(crate) async fn in_time<T>(
        &self,
        context: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = || StoreError::new(StoreErrorKind::Unavailable, context).because("Redis did not answer in time");
        timeout(self.time_limit, call).await.unwrap_or_else(|_| Err(late()))
    }
}
