//! Idempotency at any route.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{self, BodySize, BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpResponse, web};
use bytes::Bytes;
use futures_core::Stream;
use onramp_webhooks::adapter::{Claim, Idempotency, KeyGuard, Keyed, StoredBody};

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Returns middleware that runs the first request with a key, and responds to repetitions with the stored reply. See
/// [`core::idempotency`](onramp_webhooks::idempotency) for the rules.
///
/// The middleware wraps an [`App`](actix_web::App), a scope, a resource or a route.
///
/// ```
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::core::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
/// use onramp_webhooks_actix::idempotency;
///
/// let once = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build()?;
/// let app = App::new().service(web::resource("/orders").wrap(idempotency(&once)).to(async || "ordered"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn idempotency<S, B>(
    idempotency: &Idempotency,
) -> impl Transform<S, ServiceRequest, Response = ServiceResponse, Error = Error, InitError = ()> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    let idempotency = idempotency.clone();
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        let keyed = idempotency.lookup(&whole_head(request.request(), &Lines(request.headers())));
        async move {
            match keyed {
                Some(keyed) => once(keyed, next, request).await,
                None => Ok(next.call(request).await?.map_into_boxed_body()),
            }
        }
    })
}

async fn once<B>(keyed: Keyed, next: Next<B>, mut request: ServiceRequest) -> Result<ServiceResponse, Error>
where
    B: MessageBody + 'static,
{
    let body = request.extract::<web::Payload>().await?;
    let (body, guard) = match keyed.claim(body).await {
        Claim::Answer(reply) => return Ok(request.into_response(Reply(reply).response())),
        Claim::Run(body, guard) => (body, guard),
    };
    request.set_payload(Payload::from(body));
    match guard.run(next.call(request)).await {
        Ok(answered) => {
            let (request, response) = answered.into_parts();
            Ok(ServiceResponse::new(request, store(guard, response.map_into_boxed_body()).await))
        }
        Err(error) => {
            // Stores the error's response, and passes the error on to outer middleware.
            store(guard, error.error_response()).await;
            Err(error)
        }
    }
}

async fn store(guard: KeyGuard, response: HttpResponse) -> HttpResponse {
    let (head, body) = response.into_parts();
    let size = body.size();
    let body = match (guard.store(head.status().as_u16(), &Lines(head.headers()), Chunks(body)).await, size) {
        (StoredBody::Untouched(Chunks(body)), _) => body,
        (StoredBody::Whole(_), BodySize::None) => BoxBody::new(body::None::new()),
        (StoredBody::Whole(body), _) => BoxBody::new(body),
        (StoredBody::Rejoined(body), BodySize::Sized(bytes)) => BoxBody::new(SizedStream::new(bytes, body)),
        (StoredBody::Rejoined(body), _) => BoxBody::new(BodyStream::new(body)),
    };
    head.set_body(body)
}

/// A body as a stream of chunks.
struct Chunks(BoxBody);

impl Stream for Chunks {
    type Item = Result<Bytes, <BoxBody as MessageBody>::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}
