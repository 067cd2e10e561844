//! The mount.

use std::future::Future;

use actix_web::dev::HttpServiceFactory;
use actix_web::rt::task::yield_now;
use actix_web::{HttpRequest, Scope, web};
use onramp_webhooks::Receiver;

use crate::Reply;
use crate::request::{Lines, head};

/// Routes for every endpoint of `receiver`: `/NAME` and all below it, in every method, because the receiver has an answer to each.
///
/// Put them into the [`scope`](web::scope) where the providers are told to send their events, or into the [`App`](actix_web::App) to
/// have them at the root. The [crate's documentation](crate) has an example.
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
        // Actix looks at a body only after the first poll, and closes the connection when it has not seen the end by the answer.
        yield_now().await;
        Reply(received.await)
    }
}
