//! Requests handled once, at any route.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{self, BodySize, BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpResponse, web};
use bytes::Bytes;
use futures_core::Stream;
use onramp_webhooks::idempotency::{Asked, Begun, Finished, Idempotency, Running};

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Middleware that has every request handled once; see [`core::idempotency`](onramp_webhooks::idempotency) for what that means.
///
/// It wraps an [`App`](actix_web::App), a scope, a resource and a route.
///
/// ```
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::core::idempotency::{Idempotency, MemoryIdempotencyStore};
///
/// let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new()).build()?;
/// let app = App::new()
///     .route("/orders", web::post().to(async || "ordered"))
///     .wrap(onramp_webhooks_actix::idempotency(&idempotency));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn idempotency(idempotency: &Idempotency) -> IdempotencyTransform {
    IdempotencyTransform(idempotency.clone())
}

/// Made by [`idempotency`].
#[derive(Clone, Debug)]
pub struct IdempotencyTransform(Idempotency);

impl<S, B> Transform<S, ServiceRequest> for IdempotencyTransform
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = IdempotencyService<S>;
    type InitError = ();
    type Future = Ready<Result<IdempotencyService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(IdempotencyService { idempotency: self.0.clone(), inner: Rc::new(inner) }))
    }
}

/// Made by [`IdempotencyTransform`].
#[derive(Clone, Debug)]
pub struct IdempotencyService<S> {
    idempotency: Idempotency,
    inner: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for IdempotencyService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<ServiceResponse, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.idempotency.ask(&whole_head(request.request(), &Lines(request.headers()))) {
            Some(asked) => Box::pin(once(asked, Rc::clone(&self.inner), request)),
            None => {
                let untouched = self.inner.call(request);
                Box::pin(async { Ok(untouched.await?.map_into_boxed_body()) })
            }
        }
    }
}

async fn once<S, B>(asked: Asked, inner: Rc<S>, mut request: ServiceRequest) -> Result<ServiceResponse, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let body = request.extract::<web::Payload>().await?;
    let (body, running) = match asked.begin(body).await {
        Begun::Answer(reply) => return Ok(request.into_response(Reply(reply).response())),
        Begun::Run(body, running) => (body, running),
    };
    request.set_payload(Payload::from(body));
    match running.watch(inner.call(request)).await {
        Ok(answered) => {
            let (request, response) = answered.into_parts();
            Ok(ServiceResponse::new(request, finish(running, response.map_into_boxed_body()).await))
        }
        Err(error) => {
            // It counts as what it answers, and stays an error for the middleware around this one.
            finish(running, error.error_response()).await;
            Err(error)
        }
    }
}

async fn finish(running: Running, response: HttpResponse) -> HttpResponse {
    let (head, body) = response.into_parts();
    let size = body.size();
    let body = match (running.finish(head.status().as_u16(), &Lines(head.headers()), Chunks(body)).await, size) {
        (Finished::Untouched(Chunks(body)), _) => body,
        (Finished::Whole(_), BodySize::None) => BoxBody::new(body::None::new()),
        (Finished::Whole(body), _) => BoxBody::new(body),
        (Finished::Rejoined(body), BodySize::Sized(bytes)) => BoxBody::new(SizedStream::new(bytes, body)),
        (Finished::Rejoined(body), _) => BoxBody::new(BodyStream::new(body)),
    };
    head.set_body(body)
}

/// The chunks of actix's body.
struct Chunks(BoxBody);

impl Stream for Chunks {
    type Item = Result<Bytes, <BoxBody as MessageBody>::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}
