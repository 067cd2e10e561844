//! Conversion of the core's replies to actix-web's responses.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::error::HttpError;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use onramp_webhooks::adapter::Unreadable;

/// A [reply](onramp_webhooks::Reply) of the core, as a response and as an error. Handlers may return it.
///
/// ```
/// use onramp_webhooks_actix::core::{self, Kriptomat};
/// use onramp_webhooks_actix::{Reply, Webhook};
///
/// async fn kriptomat(Webhook(postback): Webhook<Kriptomat>) -> Reply {
///     match postback {
///         Ok(postback) => println!("{} was bought", postback.asset_type),
///         Err(unreadable) => return unreadable.into(),
///     }
///     core::Reply::received().into()
/// }
/// # let _ = actix_web::App::new().route("/", actix_web::web::post().to(kriptomat));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it only wraps the reply of the core")]
pub struct Reply(pub onramp_webhooks::Reply);

impl Reply {
    /// Converts the reply without changing it. A reply that is not valid HTTP becomes a server error, never an acknowledgement.
    pub(crate) fn response(&self) -> HttpResponse {
        let status = match StatusCode::from_u16(self.0.status()) {
            Ok(status) => status,
            Err(error) => return HttpResponse::from_error(HttpError::from(error)),
        };
        let mut response = HttpResponse::build(status);
        for (name, value) in self.0.headers() {
            response.append_header((name, value));
        }
        // Actix ignores the header.
        if self.0.closes() {
            response.force_close();
        }
        response.body(self.0.body().clone())
    }
}

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

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.response()
    }
}

impl ResponseError for Reply {
    fn status_code(&self) -> StatusCode {
        self.response().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

/// The text for logs, such as `replied with 400`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replied with {}", self.0.status())
    }
}
