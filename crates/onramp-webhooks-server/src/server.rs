//! The listener, its connections, and their end.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use onramp_webhooks::allow_list::AllowList;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::connection;
use crate::proxy::Proxies;

/// The maximum number of connections: 512. Others wait in the queue of the system. With the usual limit of 1024 file descriptors, half of
/// them are left to databases and APIs.
pub const MOST_CONNECTIONS: usize = 512;

/// The pause after an error of the listener, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time for open requests after the shutdown has begun. It exceeds the default deadline of a receiver, which is 4 s.
const GRACE: Duration = Duration::from_secs(5);

/// An HTTP/1 server for the routes of axum and warp, with limits for slow and idle clients. See the [crate's documentation](crate).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    proxies: AllowList,
}

impl Server {
    /// Creates a server on a listener.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, proxies: AllowList::default() }
    }

    /// Declares the proxies that begin each connection with a header of the PROXY protocol, in version 1 or 2. By default, there are none,
    /// and no header is read.
    ///
    /// The client in the header is the peer of all requests on the connection. A client that the proxy does not know has no address, so
    /// that allow-lists deny it. A connection of a declared proxy without a header is closed. All other clients are served directly, and a
    /// header of theirs is not believed: to them, the server speaks HTTP only.
    #[must_use]
    pub fn proxy_protocol(mut self, proxies: AllowList) -> Self {
        self.proxies = proxies;
        self
    }

    /// Serves `app` until `shutdown` resolves, then gives open requests up to 5 s, and closes what is left. Dropping the future closes all
    /// connections at once.
    ///
    /// Each request has the extension that `peer` makes of the address of its client. Pass `ConnectInfo::<SocketAddr>` for an axum router,
    /// and [`std::convert::identity`] for a `warp::service`.
    pub async fn serve<S, B, P>(self, app: S, peer: fn(SocketAddr) -> P, shutdown: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        let (listener, proxies) = (self.listener, Arc::new(Proxies::new(self.proxies)));
        let connections = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let (running, stopping) = watch::channel(());
        let mut tasks = JoinSet::new();
        let accepting = async {
            loop {
                let (place, mut stream, address) = accept(&listener, &places).await;
                while tasks.try_join_next().is_some() {}
                let (app, proxies) = (TowerToHyperService::new(app.clone()), Arc::clone(&proxies));
                let (watcher, mut stopping) = (connections.watcher(), stopping.clone());
                tasks.spawn(async move {
                    let _place = place;
                    let client = tokio::select! {
                        client = proxies.client(&mut stream, address) => client,
                        _ = stopping.changed() => return,
                    };
                    let Ok(client) = client else { return };
                    let peer = client.map(peer);
                    let service = service_fn(move |mut request: Request<Incoming>| {
                        peer.clone().map(|peer| request.extensions_mut().insert(peer));
                        app.call(request)
                    });
                    connection::serve(stream, service, watcher).await;
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        drop((listener, running));
        if timeout(GRACE, connections.shutdown()).await.is_err() {
            tracing::warn!("closing connections that are still open");
        }
    }
}

/// Waits for a place and then for a connection. An error, such as a lack of file descriptors, ends neither.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (place, stream, address),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_has_a_place_until_it_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Arc::new(Semaphore::new(1));
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (place, ..) = accept(&listener, &places).await;
        assert_eq!(places.available_permits(), 0);
        drop(place);
        assert_eq!(places.available_permits(), 1);
    }
}
