//! A typed event from a request, for those who handle it at once and keep no inbox: what the adapters' extractors ask.
//!
//! Nothing is recorded, nothing is deduplicated and nobody is kept out here. A handler that answers success and then loses the
//! event has lost it for good; one that fails has to answer an error, which Wert in the end takes as a reason to stop sending. The
//! [`Receiver`](crate::Receiver) exists so that neither can happen.
//!
//! ```
//! use bytes::Bytes;
//! use onramp_webhooks::{Request, WertEvent};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let headers = [("content-type", "application/json")];
//! let request = Request::new("POST", "/wert", None, &headers);
//!
//! let body = Bytes::from_static(br#"{"type":"login","click_id":"42"}"#);
//! let event = WertEvent::extract_whole(&request, body).await.unwrap().unwrap();
//! assert_eq!(event.payload.type_name(), "login");
//!
//! let unreadable = WertEvent::extract_whole(&request, Bytes::from_static(b"{")).await.unwrap().unwrap_err();
//! assert_eq!((unreadable.raw().as_ref(), unreadable.reason()), (b"{".as_slice(), "not JSON: line 1, column 1"));
//! # }
//! ```

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::body::{self, Taken};
use crate::event::{ProviderRules, raw_json};
use crate::receiver::read;
use crate::reply::{Outcome, Reply};
use crate::request::Request;

/// A body that could not be read as an event, and is not refused, because its provider needs every body acknowledged.
#[derive(Clone, PartialEq, Eq)]
pub struct Unreadable {
    reason: String,
    raw: Bytes,
}

impl Unreadable {
    /// Why it could not be read.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The body, to the byte; of one that is larger than 1 MiB, the beginning.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl fmt::Debug for Unreadable {
    /// Leaves the body out, which may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unreadable").field("reason", &self.reason).field("bytes", &self.raw.len()).finish()
    }
}

/// Reads a body of at most 1 MiB within 3 s, for a provider of which every body has to be acknowledged.
pub(crate) fn any<M, S, E>(
    request: &Request<'_>,
    body: S,
) -> impl Future<Output = Result<Result<M, Unreadable>, Reply>> + use<M, S, E>
where
    M: ProviderRules,
    S: Stream<Item = Result<Bytes, E>>,
{
    let reading = read(request, body);
    async move {
        match reading.await {
            Ok(event) => Ok(Ok(event)),
            Err(Failed { unreadable: Some(unreadable), .. }) => Ok(Err(unreadable)),
            Err(Failed { outcome, unreadable: None }) => Err(outcome.reply(M::ACKNOWLEDGEMENT)),
        }
    }
}

/// The same for a provider that may be told that its body cannot be read.
pub(crate) fn readable<M, S, E>(request: &Request<'_>, body: S) -> impl Future<Output = Result<M, Reply>> + use<M, S, E>
where
    M: ProviderRules,
    S: Stream<Item = Result<Bytes, E>>,
{
    let reading = read(request, body);
    async move { reading.await.map_err(|failed| failed.outcome.reply(M::ACKNOWLEDGEMENT)) }
}

struct Failed {
    outcome: Outcome,
    /// The body, if there is one.
    unreadable: Option<Unreadable>,
}

fn read<M, S, E>(request: &Request<'_>, body: S) -> impl Future<Output = Result<M, Failed>> + use<M, S, E>
where
    M: ProviderRules,
    S: Stream<Item = Result<Bytes, E>>,
{
    let deadline = Instant::now() + body::DEFAULT_TIME;
    let encoding = request.content_encoding();
    async move {
        let failed = match body::take(body, body::DEFAULT_LIMIT, deadline).await {
            Taken::Stopped => Failed { outcome: Outcome::BodyStopped, unreadable: None },
            Taken::Whole(raw) => match raw_json::text(&raw).and_then(M::decode) {
                Ok(event) => return Ok(event),
                Err(error) => {
                    let reason = encoding.map_or_else(|| error.to_string(), |encoding| read::unsupported(&encoding));
                    Failed { outcome: Outcome::Unreadable(reason.clone()), unreadable: Some(Unreadable { reason, raw }) }
                }
            },
            Taken::Cut(raw) => {
                let unreadable = Unreadable { reason: read::too_large(body::DEFAULT_LIMIT), raw };
                Failed { outcome: Outcome::TooLarge, unreadable: Some(unreadable) }
            }
        };
        tracing::warn!(outcome = failed.outcome.as_str(), unreadable = ?failed.unreadable, "no event could be read");
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KriptomatPostback, WertEvent};

    const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;

    async fn wert(headers: &[(&str, &str); 1], body: impl Into<Bytes>) -> Result<Result<WertEvent, Unreadable>, Reply> {
        WertEvent::extract_whole(&Request::new("POST", "/", None, headers), body.into()).await
    }

    async fn kriptomat(headers: &[(&str, &str); 1], body: impl Into<Bytes>) -> Result<KriptomatPostback, u16> {
        let extracted = KriptomatPostback::extract_whole(&Request::new("POST", "/", None, headers), body.into()).await;
        extracted.map_err(|reply| reply.status())
    }

    #[tokio::test]
    async fn wert_is_never_refused_and_kriptomat_is() {
        let plain = [("content-type", "application/json")];
        for body in ["", "{", "[]", "\u{feff}", r#"{"type":"order_complete","order":{"base":5}}"#] {
            let unreadable = wert(&plain, body).await.unwrap().unwrap_err();
            assert_eq!(unreadable.raw().as_ref(), body.as_bytes());
            assert!(!unreadable.reason().is_empty());
            assert_eq!(kriptomat(&plain, body).await, Err(400), "{body}");
        }
        assert!(wert(&plain, r#"{"type":"brand_new","click_id":"1"}"#).await.unwrap().is_ok());
        assert_eq!(kriptomat(&plain, POSTBACK).await.unwrap().uuid.as_str(), "1");
    }

    #[tokio::test]
    async fn what_is_too_large_is_cut_or_refused() {
        let plain = [("content-type", "application/json")];
        let large = || vec![b' '; body::DEFAULT_LIMIT + 1];
        let unreadable = wert(&plain, large()).await.unwrap().unwrap_err();
        assert_eq!(unreadable.raw().len(), body::DEFAULT_LIMIT);
        assert!(unreadable.reason().starts_with("cut:"), "{}", unreadable.reason());
        assert_eq!(kriptomat(&plain, large()).await, Err(413));
    }

    #[tokio::test]
    async fn an_encoding_is_blamed_only_for_what_cannot_be_read() {
        let gzip = [("content-encoding", "gzip")];
        assert!(wert(&gzip, r#"{"type":"login","click_id":"1"}"#).await.unwrap().is_ok());
        let unreadable = wert(&gzip, "\u{1f}").await.unwrap().unwrap_err();
        assert_eq!(unreadable.reason(), r#"content-encoding "gzip" is not supported"#);
    }
}
