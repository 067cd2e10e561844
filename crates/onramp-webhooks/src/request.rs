//! The head of a request, made of strings, bytes and addresses only.

use std::fmt;
use std::net::IpAddr;

/// Maximum length of a content encoding in an error message, in characters.
const LONGEST_ENCODING: usize = 64;

/// The header lines of a request or a response, in the type of a framework.
///
/// Implemented for arrays and slices of pairs, for tests.
pub trait Headers: Sync {
    /// Returns the values of all lines called `name` (lower case), in order of arrival.
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a>;

    /// Calls `see` with the lower-case name and the value of every line. Lines of one name come in order of arrival.
    fn each(&self, see: &mut dyn FnMut(&str, &[u8]));
}

impl Headers for &[(&str, &str)] {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| see(&name.to_ascii_lowercase(), value.as_bytes()));
    }
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.as_slice().each(see);
    }
}

/// The head of a request.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The method, in upper case: `POST`.
    pub method: &'a str,
    /// The path as it was sent (percent-encoded). A receiver expects the part below its mount, `/wert/SECRET`; everything else
    /// expects the whole path.
    pub path: &'a str,
    /// The query as it was sent, without the question mark.
    pub query: Option<&'a str>,
    /// The peer of the socket; `None` if the framework does not know it.
    pub peer: Option<IpAddr>,
    /// The header lines.
    pub headers: &'a dyn Headers,
}

impl<'a> Request<'a> {
    /// Creates a head without a query.
    #[must_use]
    pub const fn new(method: &'a str, path: &'a str, peer: Option<IpAddr>, headers: &'a dyn Headers) -> Self {
        Self { method, path, query: None, peer, headers }
    }

    /// Sets the query.
    #[must_use]
    pub const fn with_query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }
}

/// Returns the first content encoding other than `identity`, cut to 64 characters. This crate decodes none.
pub(crate) fn content_encoding(headers: &dyn Headers) -> Option<String> {
    let encoding = headers.lines("content-encoding").find(|value| !value.eq_ignore_ascii_case(b"identity"))?;
    Some(String::from_utf8_lossy(encoding).chars().take(LONGEST_ENCODING).collect())
}

impl fmt::Debug for Request<'_> {
    /// Leaves out the path, which holds the secret, and the headers, which may hold others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("peer", &self.peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_headers() {
        let lines: &[(&str, &str)] = &[("Content-Encoding", "identity"), ("content-encoding", "gzip")];
        assert_eq!(content_encoding(&lines).as_deref(), Some("gzip"));
    }
}
