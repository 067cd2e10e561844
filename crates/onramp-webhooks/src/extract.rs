//! Typed events from requests, for handlers without an inbox. The adapters' extractors use them.

use std::fmt;
use std::future::Future;
use std::sync::LazyLock;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::body::{self, Taken};
use crate::clock::Timestamp;
use crate::delivery::read;
use crate::log_limit::LogLimit;
use crate::provider::{Acknowledgement, Provider, ProviderEvent};
use crate::reply::{Outcome, Reply};
use crate::request::{Headers, content_encoding};

/// Limits the log of bodies that cannot be read, in the whole process.
static UNREADABLE: LazyLock<LogLimit> = LazyLock::new(LogLimit::default);

/// A body that could not be read as an event. [`reply`](Self::reply) returns the reply that its provider needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Unreadable {
    reason: String,
    raw: Bytes,
    outcome: Outcome,
    acknowledgement: Acknowledgement,
}

impl Unreadable {
    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the exact bytes of the body; of a body over 1 MiB, only the beginning.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Returns the reply that the provider needs: 200 for Wert, which expects every body to be acknowledged; 400 or 413 for
    /// Kriptomat.
    #[must_use]
    pub fn reply(&self) -> Reply {
        self.outcome.reply(self.acknowledgement)
    }
}

impl fmt::Debug for Unreadable {
    /// Leaves out the body, which may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unreadable").field("reason", &self.reason).field("bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Reads the event of a request with these headers, from a body of at most 1 MiB that arrives within 3 s. For handlers without an inbox;
/// the extractors of the adapters use it.
///
/// The event is not recorded and not deduplicated, and no client is refused. If a handler reports success before it has processed
/// the event, a crash can lose the event. If a handler fails, it has to return an error, and Wert stops sending after too many
/// errors. A [`Receiver`](crate::Receiver) prevents both.
///
/// No signature is verified, so this function is only for providers that do not sign their requests. The bound `Default` excludes
/// providers with a signing key, which do not implement it.
///
/// ```
/// use onramp_webhooks::adapter::{Full, extract};
/// use onramp_webhooks::Wert;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let event = extract::<Wert, _, _>(&[], Full::new(r#"{"type":"login","click_id":"42"}"#)).await.unwrap().unwrap();
/// assert_eq!(event.payload.type_name(), "login");
///
/// let unreadable = extract::<Wert, _, _>(&[], Full::new("{")).await.unwrap().unwrap_err();
/// assert_eq!((unreadable.raw().as_ref(), unreadable.reason()), (b"{".as_slice(), "not JSON: line 1, column 1"));
/// assert_eq!(unreadable.reply().status(), 200);
/// # }
/// ```
///
/// # Errors
/// Returns the reply to send, 408, as the outer error if the body did not arrive. Returns the body as the inner error if it could
/// not be read.
pub fn extract<P, S, E>(
    headers: &dyn Headers,
    body: S,
) -> impl Future<Output = Result<Result<P::Event, Unreadable>, Reply>> + use<P, S, E>
where
    P: Provider + Default,
    S: Stream<Item = Result<Bytes, E>>,
{
    let deadline = Instant::now() + body::DEFAULT_TIME;
    let encoding = content_encoding(headers);
    let acknowledgement = P::FACTS.acknowledgement;
    async move {
        let (raw, reason, outcome) = match body::take(body, body::DEFAULT_LIMIT, deadline).await {
            Taken::Stopped => return Err(Outcome::BodyStopped.reply(acknowledgement)),
            Taken::Whole(raw) => match P::Event::read(&raw) {
                Ok(event) => return Ok(Ok(event)),
                Err(error) => {
                    let reason = encoding.map_or_else(|| error.to_string(), |encoding| read::unsupported(&encoding));
                    (raw, reason.clone(), Outcome::Unreadable(reason))
                }
            },
            Taken::Cut(raw) => (raw, read::too_large(body::DEFAULT_LIMIT), Outcome::TooLarge),
        };
        let unreadable = Unreadable { reason, raw, outcome, acknowledgement };
        if let Some(requests) = UNREADABLE.count(Timestamp::now()) {
            tracing::warn!(?unreadable, requests, "no event could be read");
        }
        Ok(Err(unreadable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Full;
    use crate::{Kriptomat, KriptomatPostback, Wert, WertEvent};

    const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;
    const PLAIN: [(&str, &str); 1] = [("content-type", "application/json")];

    async fn wert(headers: &[(&str, &str); 1], body: impl Into<Bytes>) -> Result<WertEvent, Unreadable> {
        extract::<Wert, _, _>(headers, Full::new(body)).await.unwrap()
    }

    async fn kriptomat(body: impl Into<Bytes>) -> Result<KriptomatPostback, u16> {
        let extracted = extract::<Kriptomat, _, _>(&PLAIN, Full::new(body)).await.unwrap();
        extracted.map_err(|unreadable| unreadable.reply().status())
    }

    #[tokio::test]
    async fn wert_is_never_refused_and_kriptomat_is() {
        for body in ["", "{", "[]", "\u{feff}", r#"{"type":"order_complete","order":{"base":5}}"#] {
            let unreadable = wert(&PLAIN, body).await.unwrap_err();
            assert_eq!((unreadable.raw().as_ref(), unreadable.reply().status()), (body.as_bytes(), 200));
            assert!(!unreadable.reason().is_empty());
            assert_eq!(kriptomat(body).await, Err(400), "{body}");
        }
        assert!(wert(&PLAIN, r#"{"type":"brand_new","click_id":"1"}"#).await.is_ok());
        assert_eq!(kriptomat(POSTBACK).await.unwrap().uuid.as_str(), "1");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_cut_or_refused() {
        let large = || vec![b' '; body::DEFAULT_LIMIT + 1];
        let unreadable = wert(&PLAIN, large()).await.unwrap_err();
        assert_eq!(unreadable.raw().len(), body::DEFAULT_LIMIT);
        assert!(unreadable.reason().starts_with("cut:"), "{}", unreadable.reason());
        assert_eq!(kriptomat(large()).await, Err(413));
    }

    #[tokio::test]
    async fn an_encoding_is_blamed_only_for_unreadable_bodies() {
        let gzip = [("content-encoding", "gzip")];
        assert!(wert(&gzip, r#"{"type":"login","click_id":"1"}"#).await.is_ok());
        let unreadable = wert(&gzip, "\u{1f}").await.unwrap_err();
        assert_eq!(unreadable.reason(), r#"content-encoding "gzip" is not supported"#);
    }
}
