//! The core's reply as axum's response.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An answer that the core decided: what extractors refuse with, and what a handler may return.
///
/// ```
/// use onramp_webhooks_axum::{Reply, WertEvent, core};
///
/// async fn wert(WertEvent(event): WertEvent) -> Reply {
///     match event {
///         Ok(event) => println!("{}", event.payload.type_name()),
///         Err(unreadable) => eprintln!("{}: {:?}", unreadable.reason(), unreadable.raw()),
///     }
///     core::Reply::received().into()
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(wert));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around the core's reply is all it is")]
pub struct Reply(pub onramp_webhooks::Reply);

impl From<onramp_webhooks::Reply> for Reply {
    fn from(reply: onramp_webhooks::Reply) -> Self {
        Self(reply)
    }
}

impl IntoResponse for Reply {
    /// The reply as it is. One that HTTP could not carry would be an error of the server, and never an acknowledgement.
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.0.status());
        for (name, value) in self.0.headers() {
            response = response.header(name, value);
        }
        let response = response.body(Body::from(self.0.into_body()));
        response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}
