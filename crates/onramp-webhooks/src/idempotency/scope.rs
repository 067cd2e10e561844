//! Users whose keys are kept apart.

use std::fmt;

use super::key::Parts;
use crate::request::Request;

/// The users of a route, by what their requests have in common. Two users never share a key: who guesses the key and the body of another user
/// must not get that user's reply.
///
/// Requests without the header or the cookie belong to nobody, and share their keys.
pub struct Scope(Of);

type UserOf = dyn Fn(&Request<'_>) -> Option<String> + Send + Sync;

enum Of {
    Authorization,
    Header(String),
    Cookie(String),
    User(Box<UserOf>),
    Everyone,
}

impl Scope {
    /// Tells users apart by the `authorization` header. The case of its scheme does not matter.
    #[must_use]
    pub const fn authorization() -> Self {
        Self(Of::Authorization)
    }

    /// Tells users apart by the header `name`, such as one with an API key.
    #[must_use]
    pub fn header(name: impl Into<String>) -> Self {
        Self(Of::Header(name.into().to_ascii_lowercase()))
    }

    /// Tells users apart by the cookie `name`, such as the one of their session.
    #[must_use]
    pub fn cookie(name: impl Into<String>) -> Self {
        Self(Of::Cookie(name.into()))
    }

    /// Tells users apart by the result of `user`; `None` is nobody. Use an identifier that stays the same when a token is renewed, so that a
    /// retry with a new token finds its key.
    #[must_use]
    pub fn user(user: impl Fn(&Request<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Of::User(Box::new(user)))
    }

    /// Keeps no keys apart, for a route with a single user, or whose keys nobody can guess.
    #[must_use]
    pub const fn everyone() -> Self {
        Self(Of::Everyone)
    }

    /// Adds the user of a request to the parts of its key. A label precedes them, so that different scopes never result in the same parts.
    pub(super) fn of(&self, request: &Request<'_>, parts: Parts) -> Parts {
        match &self.0 {
            Of::Authorization => request.headers.lines("authorization").fold(parts.and(b"authorization"), credentials),
            Of::Header(name) => request.headers.lines(name).fold(parts.and(b"header").and(name.as_bytes()), Parts::and),
            Of::Cookie(name) => {
                let values = request.headers.lines("cookie").flat_map(|line| cookies(line, name));
                values.fold(parts.and(b"cookie").and(name.as_bytes()), Parts::and)
            }
            Of::User(user) => match user(request) {
                Some(user) => parts.and(b"user").and(user.as_bytes()),
                None => parts.and(b"nobody"),
            },
            Of::Everyone => parts.and(b"everyone"),
        }
    }
}

/// Adds credentials, whose scheme is `Bearer` or `bearer` (RFC 9110, section 11.1).
fn credentials(parts: Parts, line: &[u8]) -> Parts {
    let scheme = line.iter().position(|byte| *byte == b' ').unwrap_or_default();
    let (scheme, rest) = line.split_at_checked(scheme).unwrap_or((line, &[]));
    parts.and(&scheme.to_ascii_lowercase()).and(rest)
}

/// Returns the values of the cookies called `name` in a line of the `cookie` header (RFC 6265, section 4.2).
fn cookies<'a>(line: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    line.split(|byte| *byte == b';').filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Of::Authorization => f.write_str("Authorization"),
            Of::Header(name) => f.debug_tuple("Header").field(name).finish(),
            Of::Cookie(name) => f.debug_tuple("Cookie").field(name).finish(),
            Of::User(_) => f.write_str("User"),
            Of::Everyone => f.write_str("Everyone"),
        }
    }
}
