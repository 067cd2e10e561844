//! The extractor of typed events.

use std::convert::Infallible;

use onramp_webhooks::adapter::{Provider, Unreadable, extract};
use warp::Filter;

use crate::Reply;
use crate::request::{Lines, body};

/// An event of the provider `P`, for handlers without an inbox. Extracted by [`Webhook::filter`].
///
/// A body that cannot be read as an event is extracted as an [`Unreadable`] error, which `?` converts to the [`Reply`] that the provider
/// expects.
///
/// Events are neither recorded nor deduplicated: an event is lost if its handler responds with success and then fails.
///
/// ```
/// use onramp_webhooks_warp::core::{self, Wert};
/// use onramp_webhooks_warp::{Reply, Webhook};
/// use warp::Filter;
///
/// async fn wert(webhook: Result<Webhook<Wert>, Reply>) -> Result<Reply, Reply> {
///     let Webhook(event) = webhook?;
///     let event = event?;
///     println!("{}", event.payload.type_name());
///     Ok(core::Reply::received().into())
/// }
///
/// let app = warp::path!("wert" / "s3cret-for-examples").and(warp::post()).and(Webhook::<Wert>::filter()).then(wert);
/// # let _ = warp::service(app);
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Webhook<P: Provider>(pub Result<P::Event, Unreadable>);

impl<P: Provider + Default> Webhook<P> {
    /// Returns a filter that takes a body of at most 1 MiB and extracts its event. If the body does not arrive, it extracts the reply
    /// that the handler has to return.
    ///
    /// The filter never rejects, because the next filters of an [`or`](Filter::or) could not read the body again.
    #[must_use]
    pub fn filter() -> impl Filter<Extract = (Result<Self, Reply>,), Error = Infallible> + Copy + Send + Sync + 'static {
        warp::header::headers_cloned().and(body()).then(|headers, body| {
            let event = extract::<P, _, _>(&Lines(&headers), body);
            async { Ok(Self(event.await?)) }
        })
    }
}
