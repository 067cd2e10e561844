//! Verification of signed requests.

use std::fmt;

use crate::clock::Timestamp;
use crate::request::Request;

/// A request whose signature is to be verified.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SignedRequest<'a> {
    headers: &'a SignedHeaders,
    /// The exact bytes of the whole body.
    pub body: &'a [u8],
    /// The time of arrival, to compare with a signed timestamp.
    pub received_at: Timestamp,
}

impl<'a> SignedRequest<'a> {
    pub(crate) const fn new(headers: &'a SignedHeaders, body: &'a [u8], received_at: Timestamp) -> Self {
        Self { headers, body, received_at }
    }

    /// Returns the value of the header `name` (lower case), which has to be one of
    /// [`Facts::signed_headers`](super::Facts::signed_headers). `None` if the header is missing, occurs more than once, or is not
    /// UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.headers.0.iter().filter(|(key, _)| *key == name);
        match (lines.next(), lines.next()) {
            (Some((_, value)), None) => str::from_utf8(value).ok(),
            _ => None,
        }
    }
}

/// Leaves out the headers and the body, which hold secrets and personal data.
impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest").field("received_at", &self.received_at).finish_non_exhaustive()
    }
}

/// The headers of a request that its provider signs, kept until the body has arrived.
#[derive(Default)]
pub(crate) struct SignedHeaders(Vec<(&'static str, Box<[u8]>)>);

impl SignedHeaders {
    pub(crate) fn of(names: &'static [&'static str], request: &Request<'_>) -> Self {
        let lines = |name: &&'static str| {
            let name = *name;
            request.headers.lines(name).map(move |value| (name, value.into())).collect::<Vec<_>>()
        };
        Self(names.iter().flat_map(lines).collect())
    }
}

/// Error returned for a request whose signature is missing or not valid. The reason is logged and is not part of the reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct VerifyError {
    reason: &'static str,
}

impl VerifyError {
    /// Creates an error with the reason for the log.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_given_twice_is_none() {
        let headers = [("a", "1"), ("b", "2"), ("B", "3"), ("c", "4")];
        let kept = SignedHeaders::of(&["a", "b"], &Request::new("POST", "/", None, &headers));
        let signed = SignedRequest::new(&kept, b"", Timestamp::default());
        assert_eq!((signed.header("a"), signed.header("b"), signed.header("c")), (Some("1"), None, None));
    }
}
