//! Allow-lists in front of any route.

use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage};
use futures_util::future::{Either, MapOk, TryFutureExt};
use onramp_webhooks::adapter::AllowListGate;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Returns middleware that passes requests of clients that `gate` admits to the inner service, and denies all others.
///
/// The extractor [`Client`](crate::Client) gives handlers the admitted client. Keep a clone of the gate to replace its rules later.
///
/// The middleware wraps an [`App`](actix_web::App), a scope, a resource or a route.
///
/// ```
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::allow_list;
/// use onramp_webhooks_actix::core::client_ip::ClientIp;
/// use onramp_webhooks_actix::core::gate::AllowListGate;
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app = App::new().service(web::resource("/admin").wrap(allow_list(&gate)).to(async || "hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn allow_list(gate: &AllowListGate) -> AllowListTransform {
    AllowListTransform(gate.clone())
}

/// Middleware of [`allow_list`].
#[derive(Clone, Debug)]
pub struct AllowListTransform(AllowListGate);

impl<S, B> Transform<S, ServiceRequest> for AllowListTransform
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = AllowListService<S>;
    type InitError = ();
    type Future = Ready<Result<AllowListService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(AllowListService { gate: self.0.clone(), inner }))
    }
}

/// Service of [`AllowListTransform`].
#[derive(Clone, Debug)]
pub struct AllowListService<S> {
    gate: AllowListGate,
    inner: S,
}

type Admitted<F, B> = MapOk<F, fn(ServiceResponse<B>) -> ServiceResponse<EitherBody<B>>>;

impl<S, B> Service<ServiceRequest> for AllowListService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<Admitted<S::Future, B>, Ready<Result<Self::Response, Error>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.gate.admit(&whole_head(request.request(), &Lines(request.headers()))) {
            Ok(client) => {
                request.extensions_mut().insert(client);
                Either::Left(self.inner.call(request).map_ok(ServiceResponse::map_into_left_body))
            }
            Err(reply) => Either::Right(ready(Ok(request.into_response(Reply(reply).response()).map_into_right_body()))),
        }
    }
}
