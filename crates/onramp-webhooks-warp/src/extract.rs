//! Extractors of typed events, for handlers without an inbox.

use std::convert::Infallible;

use onramp_webhooks::extract::Unreadable;
use warp::Filter;

use crate::Reply;
use crate::request::{Head, body, head};

/// Extracts an event of Wert's. What cannot be read arrives as [`Unreadable`], with its bytes and the reason, because Wert needs an
/// acknowledgement for that, too. Reads at most 1 MiB. [`Reply`] has an example.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct WertEvent(pub Result<onramp_webhooks::WertEvent, Unreadable>);

impl WertEvent {
    /// The filter. What it refuses with is a value for the handler to return, and no rejection, because the filters that follow a
    /// rejection would find the body taken.
    #[must_use]
    pub fn filter() -> impl Filter<Extract = (Result<Self, Reply>,), Error = Infallible> + Copy + Send + Sync + 'static {
        head().and(body()).then(|head: Head, body| {
            let event = onramp_webhooks::WertEvent::extract(&head.whole(), body);
            async { Ok(Self(event.await?)) }
        })
    }
}

/// Extracts Kriptomat's postback; what cannot be read is refused with a problem that says why. Reads at most 1 MiB.
///
/// ```
/// use onramp_webhooks_warp::{KriptomatPostback, Reply, core};
/// use warp::Filter;
///
/// async fn kriptomat(postback: Result<KriptomatPostback, Reply>) -> Result<Reply, Reply> {
///     let KriptomatPostback(postback) = postback?;
///     println!("{} bought {}", postback.uuid.as_str(), postback.asset_type);
///     Ok(core::Reply::received().into())
/// }
///
/// let app = warp::path!("kriptomat").and(warp::post()).and(KriptomatPostback::filter()).then(kriptomat);
/// # let _ = warp::service(app);
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct KriptomatPostback(pub onramp_webhooks::KriptomatPostback);

impl KriptomatPostback {
    /// The filter. What it refuses with is a value for the handler to return, and no rejection, because the filters that follow a
    /// rejection would find the body taken.
    #[must_use]
    pub fn filter() -> impl Filter<Extract = (Result<Self, Reply>,), Error = Infallible> + Copy + Send + Sync + 'static {
        head().and(body()).then(|head: Head, body| {
            let postback = onramp_webhooks::KriptomatPostback::extract(&head.whole(), body);
            async { Ok(Self(postback.await?)) }
        })
    }
}
