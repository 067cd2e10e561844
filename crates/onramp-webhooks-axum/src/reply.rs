//! Conversion of the core's replies to axum's responses.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use onramp_webhooks::adapter::Unreadable;

/// A [reply](onramp_webhooks::Reply) of the core, as a response and as a rejection. Handlers may return it.
///
/// ```
/// use onramp_webhooks_axum::core::{self, Kriptomat};
/// use onramp_webhooks_axum::{Reply, Webhook};
///
/// async fn kriptomat(Webhook(postback): Webhook<Kriptomat>) -> Reply {
///     match postback {
///         Ok(postback) => println!("{} was bought", postback.asset_type),
///         Err(unreadable) => return unreadable.into(),
///     }
///     core::Reply::received().into()
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(kriptomat));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it only wraps the reply of the core")]
pub struct Reply(pub onramp_webhooks::Reply);

impl From<onramp_webhooks::Reply> for Reply {
    fn from(reply: onramp_webhooks::Reply) -> Self {
        Self(reply)
    }
}

/// Converts to [`Unreadable::reply`], the reply that the provider expects.
impl From<Unreadable> for Reply {
    fn from(unreadable: Unreadable) -> Self {
        Self(unreadable.reply())
    }
}

impl IntoResponse for Reply {
    /// Converts the reply without changing it. A reply that is not valid HTTP becomes a server error, never an acknowledgement.
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.0.status());
        for (name, value) in self.0.headers() {
            response = response.header(name, value);
        }
        let response = response.body(Body::from(self.0.into_body()));
        response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}
