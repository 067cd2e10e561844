//! One way in: a provider's rules, the secret in its path, and who may send.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::read::DEFAULT_RETRY_HORIZON;
use super::watchdog::{EndpointWatch, Tally};
use crate::allow_list::AllowList;
use crate::clock::Timestamp;
use crate::event::Provider;

/// One way in, with a name of its own: the first segment of its path, recorded with every delivery, and the scope of its dedup
/// keys. Sandbox and production, or two partner accounts, are two endpoints of one receiver.
///
/// Each provider's own type makes them, [`Wert`](crate::Wert) and [`Kriptomat`](crate::Kriptomat).
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) name: Arc<str>,
    pub(crate) provider: Provider,
    pub(super) secrets: Vec<String>,
    pub(super) allowed: Option<AllowList>,
    pub(super) retry_horizon: Duration,
    pub(super) tally: Arc<Tally>,
}

impl Endpoint {
    /// An endpoint named after its provider, that anyone can reach who knows its address.
    pub(crate) fn open(provider: Provider) -> Self {
        Self {
            name: provider.as_str().into(),
            provider,
            secrets: Vec::new(),
            allowed: None,
            retry_horizon: DEFAULT_RETRY_HORIZON,
            tally: Arc::default(),
        }
    }

    /// Gives it another name than its provider's: letters, digits, `-` and `_`.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Answers only requests whose path ends in `secret`. Called again, it accepts either: add the new one, change the address
    /// in the provider's dashboard, drop the old one.
    #[must_use]
    pub fn path_secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Answers only clients on this list.
    #[must_use]
    pub fn allow(mut self, allowed: AllowList) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// How long the keys of events count that have no identifier of their own, and may legitimately come again. At least 15 h
    /// 05 min, the time over which Wert's documentation spreads its retries; default 16 h.
    #[must_use]
    pub fn retry_horizon(mut self, horizon: Duration) -> Self {
        self.retry_horizon = horizon;
        self
    }

    /// How it stands.
    pub(super) fn watch(&self, now: Timestamp) -> EndpointWatch {
        EndpointWatch::of(&self.name, self.provider, &self.tally, now)
    }

    /// Compares with every secret, in a time that does not tell how much of one was right.
    pub(super) fn opens(&self, given: Option<&[u8]>) -> bool {
        let Some(given) = given else { return self.secrets.is_empty() };
        self.secrets.iter().fold(subtle::Choice::from(0), |found, secret| found | secret.as_bytes().ct_eq(given)).into()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("secrets", &format_args!("{} hidden", self.secrets.len()))
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_opens_and_nothing_else_does() {
        let endpoint = Endpoint::open(Provider::Wert).path_secret("old").path_secret("new");
        for (given, opens) in [("old", true), ("new", true), ("ne", false), ("newer", false), ("", false), ("NEW", false)] {
            assert_eq!(endpoint.opens(Some(given.as_bytes())), opens, "{given}");
        }
        assert!(!endpoint.opens(None));
    }

    #[test]
    fn an_open_endpoint_has_nothing_after_its_name() {
        let endpoint = Endpoint::open(Provider::Kriptomat);
        assert!(endpoint.opens(None));
        assert!(!endpoint.opens(Some(b"anything")));
    }

    #[test]
    fn debug_hides_the_secret() {
        let endpoint = Endpoint::open(Provider::Wert).path_secret("hush-hush");
        assert!(!format!("{endpoint:?}").contains("hush"));
    }
}
