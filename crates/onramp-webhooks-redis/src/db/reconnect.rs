//! A connection that reconnects by itself.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, Cmd, IntoConnectionInfo, RedisFuture, RedisResult, Value};

use super::error::is_of_a_replica;
use super::server::Connection;

/// The time limit of a connection attempt.
const CONNECT: Duration = Duration::from_secs(1);

/// The time after which a connection to an unresponsive machine is closed.
const SILENCE: Duration = Duration::from_secs(5);

/// The minimum time between two attempts to find another server.
const FIND_AGAIN: Duration = Duration::from_millis(500);

/// A connection that reconnects after a loss, and when its server has become a replica. After a failover the same name resolves to
/// another server, but the connection to the old one stays open.
pub(crate) struct Reconnecting {
    client: Client,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    manager: ConnectionManager,
    since: Instant,
}

impl Reconnecting {
    pub(crate) async fn connect(url: &str) -> RedisResult<Self> {
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(tcp()))?;
        let manager = ConnectionManager::new_with_config(client.clone(), config()).await?;
        Ok(Self { client, current: Mutex::new(Current { manager, since: Instant::now() }) })
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the next call reconnect, unless another call already did so.
    fn find_another(&self, seen: Instant) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.since != seen || seen.elapsed() < FIND_AGAIN {
            return;
        }
        if let Ok(manager) = ConnectionManager::new_lazy_with_config(self.client.clone(), config()) {
            tracing::warn!("Redis has become a replica; reconnecting to find the primary server");
            *current = Current { manager, since: Instant::now() };
        }
    }
}

impl Connection for Reconnecting {
    fn send<'a>(&'a self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let Current { mut manager, since } = self.current();
        Box::pin(async move {
            let reply = command.query_async(&mut manager).await;
            if reply.as_ref().is_err_and(is_of_a_replica) {
                self.find_another(since);
            }
            reply
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

/// Disables the manager's response timeout, because calls have their own time limit and retries.
fn config() -> ConnectionManagerConfig {
    let config = ConnectionManagerConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECT));
    config.set_number_of_retries(2).set_min_delay(Duration::from_millis(50)).set_max_delay(CONNECT / 5)
}
