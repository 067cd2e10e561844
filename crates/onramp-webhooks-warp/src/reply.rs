//! The core's reply as warp's response.

use warp::http;
use warp::reply::Response;

/// An answer that the core decided: what extractors refuse with, and what a handler may return.
///
/// ```
/// use onramp_webhooks_warp::{Reply, WertEvent, core};
/// use warp::Filter;
///
/// async fn wert(event: Result<WertEvent, Reply>) -> Result<Reply, Reply> {
///     match event?.0 {
///         Ok(event) => println!("{}", event.payload.type_name()),
///         Err(unreadable) => eprintln!("{}: {:?}", unreadable.reason(), unreadable.raw()),
///     }
///     Ok(core::Reply::received().into())
/// }
///
/// let app = warp::path!("wert").and(warp::post()).and(WertEvent::filter()).then(wert);
/// # let _ = warp::service(app);
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around the core's reply is all it is")]
pub struct Reply(pub onramp_webhooks::Reply);

impl From<onramp_webhooks::Reply> for Reply {
    fn from(reply: onramp_webhooks::Reply) -> Self {
        Self(reply)
    }
}

impl warp::Reply for Reply {
    /// The reply as it is. One that HTTP could not carry would be an error of the server, and never an acknowledgement.
    fn into_response(self) -> Response {
        let mut response = http::Response::builder().status(self.0.status());
        for (name, value) in self.0.headers() {
            response = response.header(name, value);
        }
        response.body(self.0.into_body()).into_response()
    }
}
