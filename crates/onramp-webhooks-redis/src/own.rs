//! A connection of our own, which connects again by itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, Cmd, IntoConnectionInfo, RedisFuture, RedisResult, Value};

use crate::error::is_of_a_replica;
use crate::server::Connection;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// After so long without a sign of the other machine, a connection is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// How often at most another server is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Connects again after a loss, as its manager does, and also when its server has become a replica: after a failover the same name
/// leads to another server, and a connection to the old one would never end by itself.
pub(crate) struct Own {
    client: Client,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    manager: ConnectionManager,
    since: Instant,
}

impl Own {
    pub(crate) async fn connect(url: &str) -> RedisResult<Self> {
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(tcp()))?;
        let manager = ConnectionManager::new_with_config(client.clone(), config()).await?;
        Ok(Self { client, current: Mutex::new(Current { manager, since: Instant::now() }) })
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the next call connect anew, unless somebody else saw to that already.
    fn look_for_another(&self, seen: Instant) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.since != seen || seen.elapsed() < LOOK_AGAIN {
            return;
        }
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(self.client.clone(), config()) {
            tracing::warn!("Redis is a replica now; another server is looked for under the same name");
            *current = Current { manager, since: Instant::now() };
        }
    }
}

impl Connection for Own {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let Current { mut manager, since } = self.current();
        Box::pin(async move {
            let answer = command.query_async(&mut manager).await;
            if answer.as_ref().is_err_and(is_of_a_replica) {
                self.look_for_another(since);
            }
            answer
        })
    }
}

fn tcp() -> TcpSettings {
    let mut keepalive = TcpKeepalive::new().with_time(SILENCE);
    if cfg!(any(target_os = "linux", target_os = "macos", target_os = "windows")) {
        keepalive = keepalive.with_interval(Duration::from_secs(1));
    }
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE);
    tcp
}

/// Calls have a time limit of their own, and try again by themselves.
fn config() -> ConnectionManagerConfig {
    let config = ConnectionManagerConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECT));
    config.set_number_of_retries(2).set_min_delay(Duration::from_millis(50)).set_max_delay(CONNECT / 5)
}
