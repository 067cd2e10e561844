//! Endpoints, each with a provider, path secrets and an allow-list.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::secret::PathSecrets;
use super::{Decoder, Facts, PathSecretError, Provider, SignedRequest, VerifyError};
use crate::allow_list::AllowList;
use crate::event::Currency;

/// A named entry point for the events of one provider.
///
/// The name of an endpoint is the first segment of its path, is recorded with every delivery, and scopes its dedup keys. Sandbox and
/// production, or two partner accounts, are two endpoints of one receiver.
///
/// [`Wert`](crate::Wert) and [`Kriptomat`](crate::Kriptomat) have functions that create their endpoints.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) name: Arc<str>,
    pub(crate) decoder: Decoder,
    verifier: Arc<dyn Verifier>,
    pub(crate) secrets: PathSecrets,
    pub(crate) allowed: Option<AllowList>,
    pub(crate) silent_after: Option<Duration>,
    pub(crate) fiat_currencies: Vec<Currency>,
}

impl Endpoint {
    /// Creates an endpoint without a secret and without an allow-list: **everyone who finds its path can send events**, unless
    /// `provider` verifies signatures. The endpoint has the provider's name and is reached at `/NAME`.
    #[must_use]
    pub fn open<P: Provider>(provider: P) -> Self {
        let decoder = Decoder::of::<P>();
        Self {
            name: decoder.facts.name.into(),
            decoder,
            verifier: Arc::new(provider),
            secrets: PathSecrets::default(),
            allowed: None,
            silent_after: None,
            fiat_currencies: Vec::new(),
        }
    }

    /// Sets the name, which may contain letters, digits, `-` and `_`. Default: the provider's name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Accepts only requests whose path ends in `secret`: at least 16 letters, digits, `-`, `.`, `_` or `~`. A second call adds a second
    /// secret, which is valid as well.
    #[must_use]
    pub fn path_secret(self, secret: impl Into<String>) -> Self {
        self.path_secrets([secret])
    }

    /// Accepts only requests whose path ends in one of `secrets`, and in one of those that were added before. Without any, the receiver is
    /// not built.
    #[must_use]
    pub fn path_secrets(mut self, secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.secrets.add(secrets);
        self
    }

    /// Accepts only requests whose path ends in `dev-secret`, for a server that listens on `listen`. The receiver is built only if that is
    /// a loopback address, because the secret is public, and logs a warning.
    #[must_use]
    pub fn for_development(mut self, listen: SocketAddr) -> Self {
        self.secrets.develop(listen);
        self
    }

    /// Accepts only clients on this list.
    #[must_use]
    pub fn allow(mut self, allowed: AllowList) -> Self {
        self.allowed = Some(allowed);
        self
    }

    /// Reports the endpoint as silent when nothing was received for `pause`. Choose a pause that is unusual even in the shop's
    /// quietest hours. By default, silence is never reported.
    #[must_use]
    pub fn silent_after(mut self, pause: Duration) -> Self {
        self.silent_after = Some(pause);
        self
    }

    /// States that customers pay in this currency here.
    ///
    /// If events do not name the currency, all paid amounts are in the currency that was stated last. Without a statement, the currency
    /// is the one that the provider documents ([`Facts::default_fiat_currency`]); that of Kriptomat is `EUR`.
    ///
    /// If events name both currencies, a second call adds another one, and statements decide unclear purchases.
    /// A purchase is [unclear](crate::event::UnclearPurchase) if both of its codes are national currencies, or neither is: `MNT`, which
    /// is Mantle and the Mongolian tögrög, for `USD`. Such a purchase is paid in the code that was stated here. It stays unclear if both
    /// codes were stated, or neither was.
    ///
    /// The currency is not stored with a delivery: the worker that handles it uses the statements of its receiver, or of
    /// [`WorkerBuilder::fiat_currency`](crate::WorkerBuilder::fiat_currency). They change neither dedup keys nor conflicts. After a
    /// new statement, [replay](crate::inbox::replay) the unclear purchases among the dead letters. A statement also applies to deliveries
    /// that are still waiting, so give an endpoint that changes to another currency a new name and address instead.
    ///
    /// ```
    /// use onramp_webhooks::Wert;
    ///
    /// let endpoint = Wert::with_path_secret("s3cret-for-examples").fiat_currency("USD").fiat_currency("EUR");
    /// # let _ = endpoint;
    /// ```
    #[must_use]
    pub fn fiat_currency(mut self, code: impl Into<Currency>) -> Self {
        self.fiat_currencies.push(code.into());
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the path secrets, as [`ReceiverBuilder::build`](crate::ReceiverBuilder::build) does, so that a configuration can be refused
    /// before an inbox is opened.
    ///
    /// # Errors
    /// Returns an error if a secret is too short or has other characters than those above, if secrets are required and none was given, or if
    /// the secret for development would be reachable from other machines.
    pub fn check_secrets(&self) -> Result<(), PathSecretError> {
        self.secrets.check()
    }

    /// Returns the facts about the provider.
    #[must_use]
    pub const fn facts(&self) -> &'static Facts {
        self.decoder.facts
    }

    pub(crate) fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError> {
        self.verifier.verify(request)
    }

    /// Returns whether `given` is one of the secrets, or is missing at an endpoint without secrets.
    pub(crate) fn opens(&self, given: Option<&[u8]>) -> bool {
        self.secrets.open(given)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("provider", &self.decoder)
            .field("secrets", &self.secrets)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// [`Provider::verify`] as an object-safe trait.
trait Verifier: Send + Sync {
    fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError>;
}

impl<P: Provider> Verifier for P {
    fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError> {
        Provider::verify(self, request)
    }
}

#[cfg(test)]
mod tests {
    use crate::Wert;

    const OLD: &str = "an-old-secret-for-tests";
    const NEW: &str = "a-new-secret-for-tests";

    #[test]
    fn each_of_the_secrets_opens_an_endpoint_and_nothing_else_does() {
        for endpoint in [Wert::with_path_secret(OLD).path_secret(NEW), Wert::with_path_secrets([NEW, OLD])] {
            for (given, opens) in
                [(OLD, true), (NEW, true), ("a-new-secret-for-test", false), ("", false), ("A-NEW-SECRET-FOR-TESTS", false)]
            {
                assert_eq!(endpoint.opens(Some(given.as_bytes())), opens, "{given}");
            }
            assert!(!endpoint.opens(None) && !endpoint.opens(Some(format!("{NEW}{OLD}").as_bytes())));
        }
    }

    #[test]
    fn an_open_endpoint_accepts_no_secret() {
        let endpoint = Wert::without_path_secret();
        assert!(endpoint.opens(None));
        assert!(!endpoint.opens(Some(b"anything")));
    }

    #[test]
    fn debug_hides_the_secret() {
        let endpoint = Wert::with_path_secrets(["hush-hush-hush-hush"]);
        assert!(!format!("{endpoint:?}").contains("hush"));
    }
}
