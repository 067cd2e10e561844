//! Conversion of the core's replies to warp's responses.

use onramp_webhooks::adapter::Unreadable;
use warp::http;
use warp::reply::Response;

/// A [reply](onramp_webhooks::Reply) of the core, as a response. Handlers may return it.
///
/// ```
/// use onramp_webhooks_warp::core::{self, Kriptomat};
/// use onramp_webhooks_warp::{Reply, Webhook};
/// use warp::Filter;
///
/// async fn kriptomat(webhook: Result<Webhook<Kriptomat>, Reply>) -> Reply {
///     match webhook {
///         Ok(Webhook(Ok(postback))) => println!("{} was bought", postback.asset_type),
///         Ok(Webhook(Err(unreadable))) => return unreadable.into(),
///         Err(reply) => return reply,
///     }
///     core::Reply::received().into()
/// }
///
/// let app = warp::path!("kriptomat").and(warp::post()).and(Webhook::<Kriptomat>::filter()).then(kriptomat);
/// # let _ = warp::service(app);
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

impl warp::Reply for Reply {
    /// Converts the reply without changing it. A reply that is not valid HTTP becomes a server error, never an acknowledgement.
    fn into_response(self) -> Response {
        let mut response = http::Response::builder().status(self.0.status());
        for (name, value) in self.0.headers() {
            response = response.header(name, value);
        }
        response.body(self.0.into_body()).into_response()
    }
}
