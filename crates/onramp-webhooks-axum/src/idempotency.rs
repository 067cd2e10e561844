//! Idempotency at any route.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use onramp_webhooks::adapter::{Claim, Idempotency, StoredBody};
use tower_layer::Layer;
use tower_service::Service;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Returns a layer that runs the first request with a key, and responds to repetitions with the stored reply. See
/// [`core::idempotency`](onramp_webhooks::idempotency) for the rules.
///
/// Apply the layer to a [`Router`](axum::Router), to one of its routes, or to any tower service whose request body is axum's.
///
/// ```
/// use axum::{Router, routing::post};
/// use onramp_webhooks_axum::core::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
/// use onramp_webhooks_axum::idempotency;
///
/// let once = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build()?;
/// let app: Router = Router::new().route("/orders", post(async || "ordered")).layer(idempotency(&once));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn idempotency(idempotency: &Idempotency) -> IdempotencyLayer {
    IdempotencyLayer(idempotency.clone())
}

/// Layer of [`idempotency`].
#[derive(Clone, Debug)]
pub struct IdempotencyLayer(Idempotency);

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> IdempotencyService<S> {
        IdempotencyService { idempotency: self.0.clone(), inner }
    }
}

/// Service of [`IdempotencyLayer`].
#[derive(Clone, Debug)]
pub struct IdempotencyService<S> {
    idempotency: Idempotency,
    inner: S,
}

impl<S, R> Service<Request<Body>> for IdempotencyService<S>
where
    S: Service<Request<Body>, Response = Response<R>, Error: Send, Future: Send> + Clone + Send + 'static,
    R: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Calls the service whose `poll_ready` succeeded, and keeps the clone for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (parts, body) = request.into_parts();
        let Some(keyed) = self.idempotency.lookup(&whole_head(&parts, &Lines(&parts.headers))) else {
            let untouched = inner.call(Request::from_parts(parts, body));
            return Box::pin(async { Ok(untouched.await?.map(Body::new)) });
        };
        Box::pin(async move {
            let (body, guard) = match keyed.claim(body.into_data_stream()).await {
                Claim::Answer(reply) => return Ok(Reply(reply).into_response()),
                Claim::Run(body, guard) => (body, guard),
            };
            let answered = guard.run(inner.call(Request::from_parts(parts, Body::from(body)))).await?;
            let (parts, body) = answered.into_parts();
            let storing = guard.store(parts.status.as_u16(), &Lines(&parts.headers), Body::new(body).into_data_stream());
            let body = match storing.await {
                StoredBody::Untouched(body) => Body::new(body),
                StoredBody::Whole(body) => Body::from(body),
                StoredBody::Rejoined(body) => Body::from_stream(body),
            };
            Ok(Response::from_parts(parts, body))
        })
    }
}
