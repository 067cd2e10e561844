//! Extractors of typed events, for handlers without an inbox.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use onramp_webhooks::extract::Unreadable;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Extracts an event of Wert's. What cannot be read arrives as [`Unreadable`], with its bytes and the reason, because Wert needs an
/// acknowledgement for that, too. Reads at most 1 MiB. [`Reply`] has an example.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct WertEvent(pub Result<onramp_webhooks::WertEvent, Unreadable>);

impl FromRequest for WertEvent {
    type Error = Reply;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Reply>>>>;

    fn from_request(request: &HttpRequest, body: &mut Payload) -> Self::Future {
        let event = onramp_webhooks::WertEvent::extract(&whole_head(request, &Lines(request.headers())), body.take());
        Box::pin(async { Ok(Self(event.await?)) })
    }
}

/// Extracts Kriptomat's postback; what cannot be read is refused with a problem that says why. Reads at most 1 MiB.
///
/// ```
/// use onramp_webhooks_actix::{KriptomatPostback, Reply, core};
///
/// async fn kriptomat(KriptomatPostback(postback): KriptomatPostback) -> Reply {
///     println!("{} bought {}", postback.uuid.as_str(), postback.asset_type);
///     core::Reply::received().into()
/// }
/// # let _ = actix_web::App::new().route("/", actix_web::web::post().to(kriptomat));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct KriptomatPostback(pub onramp_webhooks::KriptomatPostback);

impl FromRequest for KriptomatPostback {
    type Error = Reply;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Reply>>>>;

    fn from_request(request: &HttpRequest, body: &mut Payload) -> Self::Future {
        let lines = Lines(request.headers());
        let postback = onramp_webhooks::KriptomatPostback::extract(&whole_head(request, &lines), body.take());
        Box::pin(async { Ok(Self(postback.await?)) })
    }
}
