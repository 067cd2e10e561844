//! The set of providers whose events a process can read.

use std::fmt;

use super::{Document, Event, Facts, LIST, Provider, ProviderEvent, ProviderName};
use crate::event::DecodeError;

/// The set of providers whose events a process can read.
///
/// Contains those of this crate by default. A receiver adds the providers of its endpoints; a process that only handles adds its own
/// with [`with`](Self::with).
#[derive(Clone, Debug)]
pub struct Providers(Vec<Decoder>);

/// The facts about a provider, and the function that reads its events.
#[derive(Clone, Copy)]
pub(crate) struct Decoder {
    pub(crate) facts: &'static Facts,
    pub(crate) read: fn(&Document<'_>) -> Result<Event, DecodeError>,
    /// [`ProviderEvent::claimed_type`].
    pub(crate) claimed_type: fn(&Document<'_>) -> Option<String>,
}

impl Decoder {
    pub(crate) const fn of<P: Provider>() -> Self {
        Self {
            facts: const { &P::FACTS },
            read: |document| P::Event::read_document(document).map(Event::new::<P>),
            claimed_type: P::Event::claimed_type,
        }
    }
}

impl Providers {
    /// Adds the provider `P`. Replaces a provider with the same name.
    #[must_use]
    pub fn with<P: Provider>(mut self) -> Self {
        self.add(Decoder::of::<P>());
        self
    }

    pub(crate) fn add(&mut self, decoder: Decoder) {
        self.0.retain(|known| known.facts.name != decoder.facts.name);
        self.0.push(decoder);
    }

    /// Returns the names of the providers.
    pub fn names(&self) -> impl Iterator<Item = ProviderName> + '_ {
        self.0.iter().map(|decoder| decoder.facts.name())
    }

    /// Returns the types of events that report completed purchases.
    pub(crate) fn purchase_types(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().filter_map(|decoder| decoder.facts.purchase_type)
    }

    /// Reads a body that `provider` sent.
    ///
    /// # Errors
    /// Returns an error if no provider of this name is known, or if it cannot read the body.
    pub fn read(&self, provider: &ProviderName, body: &[u8]) -> Result<Event, ReadError> {
        let decoder = self.find(provider).ok_or_else(|| ReadError::UnknownProvider(provider.clone()))?;
        Ok((decoder.read)(&Document::new(body))?)
    }

    pub(crate) fn find(&self, provider: &ProviderName) -> Option<Decoder> {
        self.0.iter().copied().find(|decoder| *provider == *decoder.facts.name)
    }
}

impl Default for Providers {
    fn default() -> Self {
        Self(LIST.to_vec())
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts.name)
    }
}

/// Error returned when reading a recorded body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No provider with this name is known to this process. The delivery was recorded by another version or by a process with more
    /// providers.
    #[error("the provider {0} is not known here")]
    UnknownProvider(ProviderName),
    /// The provider is known, but cannot read the body.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_found_by_its_name_and_others_are_not() {
        let providers = Providers::default();
        assert_eq!(providers.names().map(|name| name.to_string()).collect::<Vec<_>>(), ["wert", "kriptomat"]);
        for name in providers.names() {
            assert!(matches!(providers.read(&name, b"{"), Err(ReadError::Unreadable(_))));
        }
        let unknown = providers.read(&"Wert".into(), b"{}").unwrap_err();
        assert_eq!(unknown.to_string(), "the provider Wert is not known here");
    }
}
