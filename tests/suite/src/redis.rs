//! Temporary key prefixes for tests.

use onramp_webhooks_redis::{RedisIdempotencyStore, RedisOptions};

use crate::clean_up::clean_up;
use crate::names::unique_name;

/// Returns the server's URL: `REDIS_URL`, or the default address.
#[must_use]
pub fn url() -> String {
    std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty()).unwrap_or_else(|| "redis://127.0.0.1:6379/".into())
}

/// A key prefix for one test. Its keys are removed when this value is dropped.
#[derive(Debug)]
pub struct TestPrefix(String);

impl Default for TestPrefix {
    fn default() -> Self {
        Self::new()
    }
}

impl TestPrefix {
    /// Chooses a unique prefix.
    #[must_use]
    pub fn new() -> Self {
        Self(unique_name())
    }

    /// Returns the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Opens a store with a separate connection, as on another machine.
    pub async fn open(&self) -> RedisIdempotencyStore {
        RedisOptions::connect(&url()).await.unwrap().prefix(&self.0).open_idempotency_store().await.unwrap()
    }
}

impl Drop for TestPrefix {
    fn drop(&mut self) {
        let pattern = format!("{}:*", self.0);
        clean_up(&pattern.clone(), async move { remove(&pattern).await.unwrap() });
    }
}

async fn remove(pattern: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url())?.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec_async(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
