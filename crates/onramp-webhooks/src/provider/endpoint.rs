//! Endpoints, each with a provider, path secrets and an allow-list.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::{Decoder, Facts, Provider, SignedRequest, VerifyError};
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
    pub(crate) secrets: Vec<String>,
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
            secrets: Vec::new(),
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

    /// Accepts only requests whose path ends in `secret`. A second call adds a second secret: to rotate, add the new secret, change
    /// the address at the provider, then drop the old one.
    #[must_use]
    pub fn path_secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
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
    /// let endpoint = Wert::with_path_secret("s3cret").fiat_currency("USD").fiat_currency("EUR");
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

    /// Returns the facts about the provider.
    #[must_use]
    pub const fn facts(&self) -> &'static Facts {
        self.decoder.facts
    }

    pub(crate) fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError> {
        self.verifier.verify(request)
    }

    /// Returns whether `given` is one of the secrets, or is missing at an endpoint without secrets. Compares with every secret in
    /// constant time.
    pub(crate) fn opens(&self, given: Option<&[u8]>) -> bool {
        let Some(given) = given else { return self.secrets.is_empty() };
        self.secrets.iter().fold(subtle::Choice::from(0), |found, secret| found | secret.as_bytes().ct_eq(given)).into()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("provider", &self.decoder)
            .field("secrets", &format_args!("{} hidden", self.secrets.len()))
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

    #[test]
    fn only_the_secrets_open_an_endpoint() {
        let endpoint = Wert::with_path_secret("old").path_secret("new");
        for (given, opens) in [("old", true), ("new", true), ("ne", false), ("newer", false), ("", false), ("NEW", false)] {
            assert_eq!(endpoint.opens(Some(given.as_bytes())), opens, "{given}");
        }
        assert!(!endpoint.opens(None));
    }

    #[test]
    fn an_open_endpoint_accepts_no_secret() {
        let endpoint = Wert::without_path_secret();
        assert!(endpoint.opens(None));
        assert!(!endpoint.opens(Some(b"anything")));
    }

    #[test]
    fn debug_hides_the_secret() {
        let endpoint = Wert::with_path_secret("hush-hush");
        assert!(!format!("{endpoint:?}").contains("hush"));
    }
}
