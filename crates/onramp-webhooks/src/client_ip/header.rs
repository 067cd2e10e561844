//! Headers in which proxies report the address of a client.

use std::fmt;
use std::str::FromStr;

use super::error::shown;
use super::forwarded::is_token_byte;

/// The header in which trusted proxies report the address of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: client, proxy, proxy`. Every proxy appends to it.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy;by=…` (RFC 7239). Every proxy appends to it.
    Forwarded,
    /// A header with one address: `CF-Connecting-IP`, `X-Real-IP`. The outermost proxy replaces it. A request with several lines or
    /// values is denied, because not all of them are from the proxy. Created by [`single`](Self::single).
    Single(HeaderName),
}

impl ForwardingHeader {
    /// Creates a [single-value](Self::Single) header called `name`.
    ///
    /// # Errors
    /// Returns an error if `name` is not the name of a header.
    pub fn single(name: &str) -> Result<Self, HeaderNameError> {
        Ok(Self::Single(name.parse()?))
    }

    /// Returns the name of the header, in lower case.
    #[must_use]
    pub fn header_name(&self) -> &str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Single(name) => name.as_str(),
        }
    }
}

/// Parses the name of a header. Every name other than `x-forwarded-for` and `forwarded` is a [single-value](Self::Single) header.
impl FromStr for ForwardingHeader {
    type Err = HeaderNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = name.parse::<HeaderName>()?;
        Ok(match name.as_str() {
            "x-forwarded-for" => Self::XForwardedFor,
            "forwarded" => Self::Forwarded,
            _ => Self::Single(name),
        })
    }
}

impl fmt::Display for ForwardingHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.header_name())
    }
}

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(String);

impl HeaderName {
    /// Returns the name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = HeaderNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name = name.trim_ascii();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(HeaderNameError { name: shown(name.as_bytes()) });
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Error returned when parsing the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not the name of a header, such as x-forwarded-for, forwarded or cf-connecting-ip")]
pub struct HeaderNameError {
    name: String,
}
