//! The allow-list in front of any route.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, MapOk, TryFutureExt};
use onramp_webhooks::gate::AllowListGate;
use tower_layer::Layer;
use tower_service::Service;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// A layer that lets in the clients that `gate` admits, and answers the others itself. A handler finds who was let in, and how that
/// was found, in the extension [`Client`](onramp_webhooks::client_ip::Client). Keep a clone of the gate to replace its rules.
///
/// It fits a [`Router`](axum::Router), one of its routes, and every other tower stack whose responses have a body of bytes.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use onramp_webhooks_axum::core::gate::AllowListGate;
/// use onramp_webhooks_axum::core::client_ip::{Client, ClientIp};
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app: Router = Router::new()
///     .route("/admin", get(async |Extension(client): Extension<Client>| format!("hello, {client}")))
///     .layer(onramp_webhooks_axum::allow_list(&gate));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn allow_list(gate: &AllowListGate) -> AllowListLayer {
    AllowListLayer(gate.clone())
}

/// Made by [`allow_list`].
#[derive(Clone, Debug)]
pub struct AllowListLayer(AllowListGate);

impl<S> Layer<S> for AllowListLayer {
    type Service = AllowListService<S>;

    fn layer(&self, inner: S) -> AllowListService<S> {
        AllowListService { gate: self.0.clone(), inner }
    }
}

/// Made by [`AllowListLayer`].
#[derive(Clone, Debug)]
pub struct AllowListService<S> {
    gate: AllowListGate,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for AllowListService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<MapOk<S::Future, fn(Response<R>) -> Response>, Ready<Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.gate.admit(&whole_head(&parts, &Lines(&parts.headers))) {
            Ok(client) => {
                parts.extensions.insert(client);
                Either::Left(self.inner.call(Request::from_parts(parts, body)).map_ok(|response| response.map(Body::new)))
            }
            Err(reply) => Either::Right(ready(Ok(Reply(reply).into_response()))),
        }
    }
}
