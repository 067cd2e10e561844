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
use hyper_util::service::TowerToHyperService;
use onramp_webhooks::adapter::LogLimit;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::clock::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::connection;
use crate::guarded::Guarded;
use crate::places::{Place, Places, most};
use crate::proxy::Proxies;

/// The maximum number of connections: 512, or half of the file descriptors that the process may open, if that is less. If all are open,
/// silent ones are closed for others, which wait in the queue of the system. The other half of the descriptors is left to databases and
/// APIs.
pub const MOST_CONNECTIONS: usize = 512;

/// The pause after an error of the listener, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time for open requests after the shutdown has begun. It exceeds the default deadline of a receiver, which is 4 s.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// An HTTP/1 server for the routes of axum and warp, with limits for slow and idle clients. See the [crate's documentation](crate).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    proxies: AllowList,
    most: usize,
}

impl Server {
    /// Creates a server on a listener.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, proxies: AllowList::default(), most: most() }
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
        let (places, errors) = (Places::new(self.most), LogLimit::default());
        let (running, stopping) = watch::channel(());
        let mut tasks = JoinSet::new();
        let accepting = async {
            loop {
                let (place, mut stream, address) = accept(&listener, &places, &errors).await;
                while tasks.try_join_next().is_some() {}
                let (app, proxies) = (TowerToHyperService::new(app.clone()), Arc::clone(&proxies));
                let mut stopping = stopping.clone();
                tasks.spawn(async move {
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
                    let is_stopping = async move { drop(stopping.changed().await) };
                    connection::serve(Guarded::new(stream, place), service, is_stopping).await;
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            () = shutdown => {}
        }
        drop((listener, running));
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            tracing::warn!("closing connections that are still open");
        }
    }
}

/// Waits for a place and then for a connection. An error, such as a lack of file descriptors, ends neither.
async fn accept(listener: &TcpListener, places: &Places, errors: &LogLimit) -> (Place, TcpStream, SocketAddr) {
    let place = places.take().await;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                places.want(false);
                return (place, stream, address);
            }
            Err(error) => {
                places.want(true);
                if let Some(errors) = errors.count(SystemClock::default().now()) {
                    tracing::warn!(%error, errors, "cannot accept a connection");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::ConnectInfo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A time that no test reaches unless something hangs. It is less than the time limit of an idle connection.
    const LONG: Duration = Duration::from_secs(60);

    /// Sends a request, and returns the connection after its response.
    async fn request(address: SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            let read = timeout(LONG, client.read_buf(&mut response)).await.unwrap();
            assert_ne!(read.unwrap(), 0, "closed");
        }
        client
    }

    #[tokio::test]
    async fn idle_connections_leave_their_places_to_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server { most: 2, ..Server::new(listener) };
        let app = Router::new().fallback(async || ());
        let running = tokio::spawn(server.serve(app, ConnectInfo::<SocketAddr>, std::future::pending()));
        let mut idle = Vec::new();
        for _ in 0..5 {
            idle.push(request(address).await);
        }
        for mut closed in idle.drain(..3) {
            let end = timeout(LONG, closed.read(&mut [0])).await.unwrap();
            assert_eq!(end.unwrap(), 0);
        }
        running.abort();
    }

    #[tokio::test]
    async fn a_connection_has_a_place_until_it_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Places::new(1);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (place, ..) = accept(&listener, &places, &LogLimit::default()).await;
        let mut next = std::pin::pin!(places.take());
        tokio::select! {
            biased;
            _ = &mut next => panic!("the place is taken"),
            () = std::future::ready(()) => {}
        }
        drop(place);
        next.await;
    }
}
