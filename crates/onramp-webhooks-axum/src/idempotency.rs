//! Requests handled once, at any route.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use onramp_webhooks::idempotency::{Begun, Finished, Idempotency};
use tower_layer::Layer;
use tower_service::Service;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// A layer that has every request handled once; see [`core::idempotency`](onramp_webhooks::idempotency) for what that means.
///
/// It fits a [`Router`](axum::Router), one of its routes, and every other tower stack whose bodies are axum's.
///
/// ```
/// use axum::{Router, routing::post};
/// use onramp_webhooks_axum::core::idempotency::{Idempotency, MemoryIdempotencyStore};
///
/// let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new()).build()?;
/// let app: Router = Router::new()
///     .route("/orders", post(async || "ordered"))
///     .layer(onramp_webhooks_axum::idempotency(&idempotency));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn idempotency(idempotency: &Idempotency) -> IdempotencyLayer {
    IdempotencyLayer(idempotency.clone())
}

/// Made by [`idempotency`].
#[derive(Clone, Debug)]
pub struct IdempotencyLayer(Idempotency);

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> IdempotencyService<S> {
        IdempotencyService { idempotency: self.0.clone(), inner }
    }
}

/// Made by [`IdempotencyLayer`].
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
        // The one that was polled ready is called; the clone waits for the next poll.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (parts, body) = request.into_parts();
        let Some(asked) = self.idempotency.ask(&whole_head(&parts, &Lines(&parts.headers))) else {
            let untouched = inner.call(Request::from_parts(parts, body));
            return Box::pin(async { Ok(untouched.await?.map(Body::new)) });
        };
        Box::pin(async move {
            let (body, running) = match asked.begin(body.into_data_stream()).await {
                Begun::Answer(reply) => return Ok(Reply(reply).into_response()),
                Begun::Run(body, running) => (body, running),
            };
            let answered = running.watch(inner.call(Request::from_parts(parts, Body::from(body)))).await?;
            let (parts, body) = answered.into_parts();
            let finishing = running.finish(parts.status.as_u16(), &Lines(&parts.headers), Body::new(body).into_data_stream());
            let body = match finishing.await {
                Finished::Untouched(body) => Body::new(body),
                Finished::Whole(body) => Body::from(body),
                Finished::Rejoined(body) => Body::from_stream(body),
            };
            Ok(Response::from_parts(parts, body))
        })
    }
}
