//! The core's reply as actix's response.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::error::HttpError;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};

/// An answer that the core decided: what extractors refuse with, and what a handler may return.
///
/// ```
/// use onramp_webhooks_actix::{Reply, WertEvent, core};
///
/// async fn wert(WertEvent(event): WertEvent) -> Reply {
///     match event {
///         Ok(event) => println!("{}", event.payload.type_name()),
///         Err(unreadable) => eprintln!("{}: {:?}", unreadable.reason(), unreadable.raw()),
///     }
///     core::Reply::received().into()
/// }
/// # let _ = actix_web::App::new().route("/", actix_web::web::post().to(wert));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around the core's reply is all it is")]
pub struct Reply(pub onramp_webhooks::Reply);

impl Reply {
    /// The reply as it is. One that HTTP could not carry would be an error of the server, and never an acknowledgement.
    pub(crate) fn response(&self) -> HttpResponse {
        let status = match StatusCode::from_u16(self.0.status()) {
            Ok(status) => status,
            Err(error) => return HttpResponse::from_error(HttpError::from(error)),
        };
        let mut response = HttpResponse::build(status);
        for (name, value) in self.0.headers() {
            response.append_header((name, value));
        }
        // Actix takes no word for it from a header.
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

/// For logs: `answered with 400`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with {}", self.0.status())
    }
}
