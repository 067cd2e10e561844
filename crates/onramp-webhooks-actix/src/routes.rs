//! The routes of a receiver.

use std::future::Future;

use actix_web::dev::HttpServiceFactory;
use actix_web::rt::task::yield_now;
use actix_web::{HttpRequest, Scope, web};
use onramp_webhooks::Receiver;

use crate::Reply;
use crate::request::{Lines, head};

/// Returns routes for every endpoint of `receiver`.
///
/// They match `/NAME` and all paths below it, with every method, because the receiver also responds to requests that it refuses.
///
/// Add them to the [`scope`](web::scope) that the providers send to, or to the [`App`](actix_web::App) for routes at the root. The
/// [crate's documentation](crate) has an example.
#[must_use]
pub fn routes(receiver: Receiver) -> impl HttpServiceFactory + 'static {
    let endpoint = |name| {
        let receiver = receiver.clone();
        web::scope(&format!("/{name}"))
            .default_service(web::to(move |request: HttpRequest, body: web::Payload| receive(&receiver, &request, body)))
    };
    receiver.endpoints().map(endpoint).collect::<Vec<Scope>>()
}

fn receive(receiver: &Receiver, request: &HttpRequest, body: web::Payload) -> impl Future<Output = Reply> + use<> {
    let received = receiver.receive(&head(request, &Lines(request.headers())), body);
    async {
        // Actix starts to read the body after the first poll. It closes the connection if the response is sent before the end of the
        // body.
        yield_now().await;
        Reply(received.await)
    }
}
