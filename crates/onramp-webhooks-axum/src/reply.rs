//! The core's reply as axum's response.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use onramp_webhooks::Reply;

/// The reply as it is. One that HTTP could not carry would be an error of the server, and never an acknowledgement.
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = Response::builder().status(reply.status());
    for (name, value) in reply.headers() {
        response = response.header(name, value);
    }
    let response = response.body(Body::from(reply.into_body()));
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
