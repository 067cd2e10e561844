//! The extractor of typed events.

use axum::extract::{FromRequest, Request};
use onramp_webhooks::adapter::{Provider, Unreadable, extract};

use crate::Reply;
use crate::request::Lines;

/// Extractor of an event of the provider `P`, for handlers without an inbox.
///
/// Reads a body of at most 1 MiB. A body that cannot be read as an event is extracted as an [`Unreadable`] error, which `?` converts to
/// the [`Reply`] that the provider expects. The extractor rejects a request only if its body does not arrive completely.
///
/// Events are neither recorded nor deduplicated: an event is lost if its handler responds with success and then fails.
///
/// ```
/// use axum::{Router, routing::post};
/// use onramp_webhooks_axum::core::{self, Wert};
/// use onramp_webhooks_axum::{Reply, Webhook};
///
/// async fn wert(Webhook(event): Webhook<Wert>) -> Result<Reply, Reply> {
///     let event = event?;
///     println!("{}", event.payload.type_name());
///     Ok(core::Reply::received().into())
/// }
///
/// let app: Router = Router::new().route("/wert/s3cret-for-examples", post(wert));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Webhook<P: Provider>(pub Result<P::Event, Unreadable>);

impl<P: Provider + Default, S: Send + Sync> FromRequest<S> for Webhook<P> {
    type Rejection = Reply;

    async fn from_request(request: Request, _: &S) -> Result<Self, Reply> {
        let (parts, body) = request.into_parts();
        let event = extract::<P, _, _>(&Lines(&parts.headers), body.into_data_stream());
        Ok(Self(event.await?))
    }
}
