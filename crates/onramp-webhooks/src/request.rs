//! What an adapter tells the receiver about a request, in strings, bytes and addresses only.

use std::net::IpAddr;

/// The header lines of a request, whatever type a framework keeps them in.
pub trait Headers {
    /// The values of all lines named `name` (lower case), in order of arrival.
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a>;
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes()))
    }
}

/// The head of a request, as the receiver sees it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The method, in upper case: `POST`.
    pub method: &'a str,
    /// The path below the place where the receiver is mounted, as it was sent (percent-encoded): `/wert/SECRET`.
    pub path: &'a str,
    /// The socket's peer; `None` when the framework does not know it.
    pub peer: Option<IpAddr>,
    /// The header lines.
    pub headers: &'a dyn Headers,
}

impl<'a> Request<'a> {
    /// The head of a request.
    #[must_use]
    pub const fn new(method: &'a str, path: &'a str, peer: Option<IpAddr>, headers: &'a dyn Headers) -> Self {
        Self { method, path, peer, headers }
    }
}

impl std::fmt::Debug for Request<'_> {
    /// Leaves the path out, which holds the secret, and the headers, which may hold others.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("peer", &self.peer).finish_non_exhaustive()
    }
}
