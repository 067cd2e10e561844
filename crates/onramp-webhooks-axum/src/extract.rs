//! Extractors of typed events, for handlers without an inbox.

use axum::extract::{FromRequest, Request};
use onramp_webhooks::extract::Unreadable;

use crate::Reply;
use crate::request::{Lines, whole_head};

/// Extracts an event of Wert's. What cannot be read arrives as [`Unreadable`], with its bytes and the reason, because Wert needs an
/// acknowledgement for that, too. Reads at most 1 MiB. [`Reply`] has an example.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct WertEvent(pub Result<onramp_webhooks::WertEvent, Unreadable>);

impl<S: Send + Sync> FromRequest<S> for WertEvent {
    type Rejection = Reply;

    async fn from_request(request: Request, _: &S) -> Result<Self, Reply> {
        let (parts, body) = request.into_parts();
        let event = onramp_webhooks::WertEvent::extract(&whole_head(&parts, &Lines(&parts.headers)), body.into_data_stream());
        Ok(Self(event.await?))
    }
}

/// Extracts Kriptomat's postback; what cannot be read is refused with a problem that says why. Reads at most 1 MiB.
///
/// ```
/// use onramp_webhooks_axum::{KriptomatPostback, Reply, core};
///
/// async fn kriptomat(KriptomatPostback(postback): KriptomatPostback) -> Reply {
///     println!("{} bought {}", postback.uuid.as_str(), postback.asset_type);
///     core::Reply::received().into()
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::post(kriptomat));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct KriptomatPostback(pub onramp_webhooks::KriptomatPostback);

impl<S: Send + Sync> FromRequest<S> for KriptomatPostback {
    type Rejection = Reply;

    async fn from_request(request: Request, _: &S) -> Result<Self, Reply> {
        let (parts, body) = request.into_parts();
        let lines = Lines(&parts.headers);
        let postback = onramp_webhooks::KriptomatPostback::extract(&whole_head(&parts, &lines), body.into_data_stream());
        Ok(Self(postback.await?))
    }
}
