//! The extractor of typed events.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
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
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::core::{self, Wert};
/// use onramp_webhooks_actix::{Reply, Webhook};
///
/// async fn wert(Webhook(event): Webhook<Wert>) -> Result<Reply, Reply> {
///     let event = event?;
///     println!("{}", event.payload.type_name());
///     Ok(core::Reply::received().into())
/// }
///
/// let app = App::new().route("/wert/s3cret-for-examples", web::post().to(wert));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Webhook<P: Provider>(pub Result<P::Event, Unreadable>);

impl<P: Provider + Default> FromRequest for Webhook<P> {
    type Error = Reply;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Reply>>>>;

    fn from_request(request: &HttpRequest, body: &mut Payload) -> Self::Future {
        let event = extract::<P, _, _>(&Lines(request.headers()), body.take());
        Box::pin(async { Ok(Self(event.await?)) })
    }
}
