//! Requests over HTTP/1.

mod body;
mod excerpt;
mod host;

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;

pub(crate) use self::body::Payload;
pub(crate) use self::host::is_this_machine;
use crate::exit::{Causes, CliError};

/// Timeout of a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections are closed earlier than most servers close them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of one server. It follows no redirect, uses no proxy, and keeps connections.
#[derive(Clone)]
pub(crate) struct HttpClient(Pool);

#[derive(Clone)]
enum Pool {
    Plain(Client<HttpConnector, Payload>),
    Encrypted(Client<HttpsConnector<HttpConnector>, Payload>),
}

/// A response, with the beginning of its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) excerpt: Bytes,
}

impl HttpClient {
    /// Creates a client for the server in an absolute `http` or `https` address, with at most `connections` idle connections.
    pub(crate) fn new(uri: &Uri, connections: usize) -> Result<Self, CliError> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_max_idle_per_host(connections).pool_idle_timeout(IDLE_TIMEOUT).pool_timer(TokioTimer::new());
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let pool = if uri.scheme_str() == Some("https") {
            // Named, because other crates of a build may enable other providers as well.
            let tls = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(aws_lc_rs::default_provider());
            let tls = tls.map_err(|error| CliError::with_source("reading the certificates of the system", &error))?;
            Pool::Encrypted(builder.build(tls.https_only().enable_http1().wrap_connector(connector)))
        } else {
            Pool::Plain(builder.build(connector))
        };
        Ok(Self(pool))
    }

    /// Posts a body. Of the response's body, only the beginning is read.
    ///
    /// If the future is dropped, the server may have got the request.
    pub(crate) async fn post(&self, uri: Uri, headers: HeaderMap, payload: Payload) -> Result<Answer, HttpError> {
        self.send(Method::POST, uri, headers, payload).await
    }

    /// Sends a request with any method. Of the response's body, only the beginning is read.
    ///
    /// If the future is dropped, the server may have got the request.
    pub(crate) async fn send(&self, method: Method, uri: Uri, headers: HeaderMap, payload: Payload) -> Result<Answer, HttpError> {
        let mut request = Request::new(payload);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response: Response<Incoming> = match &self.0 {
            Pool::Plain(client) => client.request(request).await,
            Pool::Encrypted(client) => client.request(request).await,
        }?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, excerpt: excerpt::read(body).await })
    }
}

/// Error of a request without a response. Contains no part of the address.
#[derive(Debug, thiserror::Error)]
#[error("{}", Causes(.0))]
pub(crate) struct HttpError(#[from] Error);

impl HttpError {
    /// Returns whether no connection was made.
    pub(crate) fn is_connect(&self) -> bool {
        self.0.is_connect()
    }
}
