//! The header in which proxies tell whom they speak for.

use std::fmt;
use std::str::FromStr;

use super::error::shown;
use super::forwarded::is_token_byte;

/// Which header the trusted proxies tell the client's address in, and in what form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardingHeader {
    /// `X-Forwarded-For: client, proxy, proxy`, appended to by every proxy.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy;by=…` (RFC 7239), appended to by every proxy.
    Forwarded,
    /// A header with one address, replaced by the outermost proxy: `CF-Connecting-IP`, `X-Real-IP`. More than one line or value
    /// denies, because then somebody else wrote one too. Made by [`single`](Self::single).
    Single(HeaderName),
}

impl ForwardingHeader {
    /// The header `name`, whose value is one address.
    ///
    /// # Errors
    /// `name` is not a header's name.
    pub fn single(name: &str) -> Result<Self, HeaderNameError> {
        Ok(Self::Single(name.parse()?))
    }

    /// The header's name in lower case.
    #[must_use]
    pub fn header_name(&self) -> &str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Single(name) => name.as_str(),
        }
    }
}

/// Reads a header's name: `x-forwarded-for`, `forwarded`, and every other one as a [single-value](Self::Single) header.
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
    /// The name, in lower case.
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

/// A string is not the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not the name of a header, such as x-forwarded-for, forwarded or cf-connecting-ip")]
pub struct HeaderNameError {
    name: String,
}
