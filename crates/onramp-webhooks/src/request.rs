//! What an adapter tells the receiver about a request, in strings, bytes and addresses only.

use std::net::IpAddr;

/// More characters of a content encoding are not repeated.
const LONGEST_ENCODING: usize = 64;

/// The header lines of a request or a response, whatever type a framework keeps them in.
pub trait Headers: Sync {
    /// The values of all lines named `name` (lower case), in order of arrival.
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a>;

    /// Shows every line to `see`: its name, in lower case, and its value. Lines of one name come in order of arrival.
    fn each(&self, see: &mut dyn FnMut(&str, &[u8]));
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.iter().for_each(|(name, value)| see(&name.to_ascii_lowercase(), value.as_bytes()));
    }
}

/// The head of a request, as the receiver sees it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The method, in upper case: `POST`.
    pub method: &'a str,
    /// The path, as it was sent (percent-encoded). For a receiver, the part below the place where it is mounted: `/wert/SECRET`; for
    /// everything else, all of it.
    pub path: &'a str,
    /// What follows the path's question mark, as it was sent.
    pub query: Option<&'a str>,
    /// The socket's peer; `None` when the framework does not know it.
    pub peer: Option<IpAddr>,
    /// The header lines.
    pub headers: &'a dyn Headers,
}

impl<'a> Request<'a> {
    /// The head of a request.
    #[must_use]
    pub const fn new(method: &'a str, path: &'a str, peer: Option<IpAddr>, headers: &'a dyn Headers) -> Self {
        Self { method, path, query: None, peer, headers }
    }

    /// The same head with a query.
    #[must_use]
    pub const fn with_query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }

    /// The first content encoding that is one, up to its first 64 characters; nobody here decodes any.
    pub(crate) fn content_encoding(&self) -> Option<String> {
        let encoding = self.headers.lines("content-encoding").find(|value| !value.eq_ignore_ascii_case(b"identity"))?;
        Some(String::from_utf8_lossy(encoding).chars().take(LONGEST_ENCODING).collect())
    }
}

impl std::fmt::Debug for Request<'_> {
    /// Leaves the path out, which holds the secret, and the headers, which may hold others.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("peer", &self.peer).finish_non_exhaustive()
    }
}
