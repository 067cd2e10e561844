//! The server of actix-web, behind the headers of the PROXY protocol.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::GracefulShutdownSignal;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error};
use onramp_webhooks::allow_list::AllowList;
use tokio::net::TcpStream;

use crate::guarded::Guarded;
use crate::places::{Places, most};
use crate::proxy::Proxies;
use crate::server::GRACE;
use crate::{HEAD_TIME, IDLE_TIME, MOST_CONNECTIONS};

/// The share of the connections that wait for a place: one of eight.
const WAITING_SHARE: usize = 8;

/// The time for the end of a connection that the server closes, the default of actix's `HttpServer`.
const DISCONNECT_TIME: Duration = Duration::from_secs(1);

/// actix's HTTP/1 server, with the limits of this crate and the PROXY protocol. Requires the feature `actix`. See the
/// [crate's documentation](crate).
///
/// actix's own `HttpServer` passes each connection to HTTP at once, so nothing can read a header before it.
#[derive(Debug)]
pub struct ActixServer {
    listener: TcpListener,
    proxies: AllowList,
    workers: usize,
    most: usize,
}

impl ActixServer {
    /// Creates a server on a listener, with as many threads as the machine has processors.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        let workers = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { listener, proxies: AllowList::default(), workers, most: most() }.workers(workers)
    }

    /// Declares the proxies that begin each connection with a header of the PROXY protocol, as
    /// [`Server::proxy_protocol`](crate::Server::proxy_protocol) does.
    #[must_use]
    pub fn proxy_protocol(mut self, proxies: AllowList) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets the number of threads, from 1 to 512. Each has an application of its own, and an equal share of the connections.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.clamp(1, MOST_CONNECTIONS);
        self
    }

    /// Serves the applications that `app` makes until `shutdown` resolves, then gives open requests up to 5 s, and closes what is left.
    /// Dropping the future closes all connections at once.
    ///
    /// Applications have the default [`AppConfig`]: an HTTP/1.0 request without a `host` has the host `localhost:8080`.
    ///
    /// # Errors
    /// Returns an error if the listener cannot be used, or if an application cannot be made.
    pub async fn serve<F, T, B>(self, app: F, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()>
    where
        F: Fn() -> App<T> + Clone + Send + 'static,
        T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()> + 'static,
        B: MessageBody + 'static,
    {
        let address = self.listener.local_addr()?;
        let server = actix_server::Server::build()
            .workers(self.workers)
            .max_concurrent_connections(self.most.div_ceil(self.workers))
            .shutdown_timeout(GRACE.as_secs())
            .shutdown_signal(shutdown);
        let (proxies, stopping) = (Arc::new(Proxies::new(self.proxies)), server.graceful_shutdown_signal());
        // Some connections are accepted without a place, so that silent ones leave theirs.
        let places = Arc::new(Places::new(self.most - self.most / WAITING_SHARE));
        let connections = move || {
            let (proxies, places, is_stopping) = (Arc::clone(&proxies), Arc::clone(&places), stopping.clone());
            let headers =
                fn_service(move |stream| of_client(stream, Arc::clone(&proxies), Arc::clone(&places), is_stopping.clone()));
            let is_stopping = stopping.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let is_stopping = is_stopping.clone();
                    async move { is_stopping.notified().await }
                })
                .client_request_timeout(HEAD_TIME)
                .keep_alive(IDLE_TIME)
                .client_disconnect_timeout(DISCONNECT_TIME)
                .local_addr(address)
                .finish::<_, B>(map_config(app().into_factory(), |()| AppConfig::default()));
            headers.and_then(http)
        };
        server.listen("onramp-webhooks", self.listener, connections)?.run().await
    }
}

/// Reads the header of a connection, if it has one, and returns the connection with the address of its client. A shutdown does not wait for
/// a header.
///
/// # Errors
/// Returns an error if the connection has to be closed.
async fn of_client(
    mut stream: TcpStream,
    proxies: Arc<Proxies>,
    places: Arc<Places>,
    stopping: GracefulShutdownSignal,
) -> Result<(Guarded<TcpStream>, Protocol, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr()?;
    let admitted = async {
        let place = places.take().await;
        Some((place, proxies.client(&mut stream, peer).await.ok()?))
    };
    let admitted = tokio::select! {
        admitted = admitted => admitted,
        () = stopping.notified() => None,
    };
    admitted
        .map(|(place, client)| (Guarded::new(stream, place), Protocol::Http1, client))
        .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpResponse, web};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    /// A time that no test reaches unless something hangs. It is less than the time limit of an idle connection.
    const LONG: Duration = Duration::from_secs(60);

    async fn answer(client: &mut TcpStream) {
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            assert_ne!(client.read_buf(&mut response).await.unwrap(), 0, "closed");
        }
    }

    #[tokio::test]
    async fn connections_above_the_limit_wait_until_one_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = ActixServer { workers: 2, most: 4, ..ActixServer::new(listener) };
        let app = || App::new().default_service(web::to(HttpResponse::Ok));
        let running = tokio::spawn(server.serve(app, std::future::pending()));
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
            clients.push(client);
        }
        let mut last = clients.pop().unwrap();
        for client in &mut clients {
            timeout(LONG, answer(client)).await.unwrap();
        }
        timeout(Duration::from_millis(300), answer(&mut last)).await.unwrap_err();
        drop(clients);
        timeout(LONG, answer(&mut last)).await.unwrap();
        running.abort();
    }

    #[test]
    fn every_thread_has_a_connection() {
        let threads = |workers| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            ActixServer::new(listener).workers(workers).workers
        };
        assert_eq!([0, 1, 512, 513].map(threads), [1, 1, 512, 512]);
    }
}
