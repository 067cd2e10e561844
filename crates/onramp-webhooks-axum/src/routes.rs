//! The routes of a receiver.

use std::future::Future;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use onramp_webhooks::Receiver;

use crate::Reply;
use crate::request::{Lines, head};

/// Returns routes for every endpoint of `receiver`.
///
/// They match `/NAME` and all paths below it, with every method, because the receiver also responds to requests that it refuses.
///
/// [Nest](Router::nest) them at the path that the providers send to, or [merge](Router::merge) them into the root. The
/// [crate's documentation](crate) has an example.
pub fn routes<S>(receiver: Receiver) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let names: Vec<String> = receiver.endpoints().map(str::to_owned).collect();
    let endpoint = any(move |request: Request| receive(&receiver, request));
    names.into_iter().fold(Router::new(), |router, name| {
        router
            .route(&format!("/{name}"), endpoint.clone())
            .route(&format!("/{name}/"), endpoint.clone())
            .route(&format!("/{name}/{{*rest}}"), endpoint.clone())
    })
}

fn receive(receiver: &Receiver, request: Request) -> impl Future<Output = Response> + use<> {
    let (parts, body) = request.into_parts();
    let received = receiver.receive(&head(&parts, &Lines(&parts.headers)), body.into_data_stream());
    async { Reply(received.await).into_response() }
}
