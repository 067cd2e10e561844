//! The way in for Wert's widget events.

use crate::event::Provider;
use crate::receiver::Endpoint;
use crate::watchdog::Stopping;

/// As Wert's documentation of webhooks has it.
pub(super) const STOPPING: Stopping = Stopping {
    failures: 3,
    consequence: "Wert sends an event again after 5 min, 1 h, 2 h, 4 h and 8 h; when all of these fail, it sends nothing more to \
        this address until somebody switches sending on again.",
    remedy: "Webhooks are switched on again at https://partner.wert.io, those of the sandbox at https://partner-sandbox.wert.io; the \
        page Webhooks there has the address and a log of all that was sent.",
};

/// Makes endpoints for Wert's widget events.
///
/// Wert's documentation names no signature, no secret and no source addresses: what protects the endpoint is the secret in its
/// path, which is entered in Wert's partner dashboard as part of the address.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Wert;

impl Wert {
    /// An endpoint `wert` that is reached at `/wert/SECRET`. Use at least 32 random characters.
    #[must_use]
    pub fn with_path_secret(secret: impl Into<String>) -> Endpoint {
        Endpoint::open(Provider::Wert).path_secret(secret)
    }

    /// An endpoint `wert` that is reached at `/wert`: **anyone who finds it can send events that look like purchases.** Only for
    /// handlers that confirm every purchase elsewhere, or behind a gateway that keeps others out.
    #[must_use]
    pub fn without_path_secret() -> Endpoint {
        Endpoint::open(Provider::Wert)
    }
}
