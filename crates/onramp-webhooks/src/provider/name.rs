//! Names of providers.

use std::borrow::Cow;
use std::fmt;

use super::Facts;

/// The name of a provider, as it is stored and logged. A store may hold names that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Cow<'static, str>);

impl ProviderName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Facts {
    /// Returns the provider's name.
    #[must_use]
    pub const fn name(&self) -> ProviderName {
        ProviderName(Cow::Borrowed(self.name))
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq<str> for ProviderName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

/// Accepts any stored name, known or unknown.
impl From<String> for ProviderName {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

/// Accepts any stored name, known or unknown.
impl From<&str> for ProviderName {
    fn from(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }
}
