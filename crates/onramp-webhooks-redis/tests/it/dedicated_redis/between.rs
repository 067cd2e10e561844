//! A proxy between a store and its servers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use onramp_webhooks_services::Redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Leads new connections to one server. Told to, it swallows what that says next, and the connection.
pub(super) struct Between {
    address: SocketAddr,
    swallow: Arc<AtomicBool>,
    server: Arc<Mutex<String>>,
}

impl Between {
    pub(super) async fn new(server: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let between = Self {
            address: listener.local_addr().unwrap(),
            swallow: Arc::new(AtomicBool::new(false)),
            server: Arc::new(Mutex::new(host_and_port(server))),
        };
        let (swallow, server) = (Arc::clone(&between.swallow), Arc::clone(&between.server));
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                let server = server.lock().unwrap().clone();
                tokio::spawn(hand_on(store, TcpStream::connect(server).await.unwrap(), Arc::clone(&swallow)));
            }
        });
        between
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Leads connections elsewhere from now on; those that are there stay.
    pub(super) fn lead_to(&self, server: &Redis) {
        *self.server.lock().unwrap() = host_and_port(server);
    }

    pub(super) fn swallow(&self) {
        self.swallow.store(true, Ordering::SeqCst);
    }

    /// Set once it did.
    pub(super) fn swallowed(&self) -> bool {
        !self.swallow.load(Ordering::SeqCst)
    }
}

pub(super) fn host_and_port(server: &Redis) -> String {
    server.url().trim_start_matches("redis://").trim_end_matches('/').to_owned()
}

async fn hand_on(mut store: TcpStream, mut server: TcpStream, swallow: Arc<AtomicBool>) {
    let (mut from_store, mut from_server) = ([0; 4_096], [0; 4_096]);
    loop {
        let handed = tokio::select! {
            Ok(read @ 1..) = store.read(&mut from_store) => server.write_all(&from_store[..read]).await,
            Ok(read @ 1..) = server.read(&mut from_server) => {
                if swallow.swap(false, Ordering::SeqCst) {
                    return;
                }
                store.write_all(&from_server[..read]).await
            }
            else => return,
        };
        if handed.is_err() {
            return;
        }
    }
}
