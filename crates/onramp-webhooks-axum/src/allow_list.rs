//! Allow-lists in front of any route.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use futures_util::future::{Either, MapOk, TryFutureExt};
use onramp_webhooks::adapter::AllowListGate;
use tower_layer::Layer;
use tower_service::Service;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Returns a layer that passes requests of clients that `gate` admits to the inner service, and denies all others.
///
/// The extractor [`Client`](crate::Client) gives handlers the admitted client. Keep a clone of the gate to replace its rules later.
///
/// Apply the layer to a [`Router`](axum::Router), to one of its routes, or to any tower service whose response body yields `Bytes`.
///
/// ```
/// use axum::{Router, routing::get};
/// use onramp_webhooks_axum::allow_list;
/// use onramp_webhooks_axum::core::client_ip::ClientIp;
/// use onramp_webhooks_axum::core::gate::AllowListGate;
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app: Router = Router::new().route("/admin", get(async || "hello")).layer(allow_list(&gate));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn allow_list(gate: &AllowListGate) -> AllowListLayer {
    AllowListLayer(gate.clone())
}

/// Layer of [`allow_list`].
#[derive(Clone, Debug)]
pub struct AllowListLayer(AllowListGate);

impl<S> Layer<S> for AllowListLayer {
    type Service = AllowListService<S>;

    fn layer(&self, inner: S) -> AllowListService<S> {
        AllowListService { gate: self.0.clone(), inner }
    }
}

/// Service of [`AllowListLayer`].
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
