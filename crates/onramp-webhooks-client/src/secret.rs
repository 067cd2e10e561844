//! Keys and tokens.

use std::fmt;

/// A key or token: sent to its provider, and never shown.
#[derive(Clone)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The text without the secret in it.
    pub(crate) fn hide_in(&self, text: &str) -> Box<str> {
        if self.0.is_empty() { text.into() } else { text.replace(&*self.0, "(hidden)").into() }
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}
