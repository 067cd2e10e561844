//! Wert as a provider, and its endpoints.

use std::net::SocketAddr;
use std::time::Duration;

use super::WertEvent;
use crate::provider::{Acknowledgement, Endpoint, Facts, Provider};

/// Wert's widget events.
///
/// Wert's documentation names no signature, no secret and no source addresses. The secret in the path protects the endpoint; it is
/// entered in Wert's partner dashboard as part of the address.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Wert;

impl Wert {
    /// Creates an endpoint `wert` that is reached at `/wert/SECRET`. A secret has at least 16 letters, digits, `-`, `.`, `_` or `~`; use the
    /// output of `openssl rand -hex 32`.
    #[must_use]
    pub fn with_path_secret(secret: impl Into<String>) -> Endpoint {
        Endpoint::open(Self).path_secret(secret)
    }

    /// Creates an endpoint `wert` that is reached at `/wert/SECRET` with each of the secrets.
    ///
    /// To rotate a secret, give the new and the old one, change the address in Wert's dashboard, and wait 16 h for repetitions of events
    /// that were sent to the old address. Then remove the old secret.
    ///
    /// ```
    /// use onramp_webhooks::Wert;
    ///
    /// let endpoint = Wert::with_path_secrets(["8e1f4e0c9ab54d4f-new", "37c1d8b2f06a45e9-old"]);
    /// # endpoint.check_secrets().unwrap();
    /// ```
    #[must_use]
    pub fn with_path_secrets(secrets: impl IntoIterator<Item = impl Into<String>>) -> Endpoint {
        Endpoint::open(Self).path_secrets(secrets)
    }

    /// Creates an endpoint `wert` that is reached at `/wert/dev-secret`, for a server that listens on `listen`. The receiver is built only
    /// if that is a loopback address, because the secret is public.
    #[must_use]
    pub fn for_development(listen: SocketAddr) -> Endpoint {
        Endpoint::open(Self).for_development(listen)
    }

    /// Creates an endpoint `wert` that is reached at `/wert`: **everyone who finds it can send events that look like purchases.**
    /// Only for handlers that confirm every purchase elsewhere, or behind a gateway that rejects other senders.
    #[must_use]
    pub fn without_path_secret() -> Endpoint {
        Endpoint::open(Self)
    }
}

/// From Wert's documentation of webhooks: retries after 5 min, 1 h, 2 h, 4 h and 8 h (15 h 05 min in all), an answer within five
/// seconds, and no more events after all retries failed.
impl Provider for Wert {
    type Event = WertEvent;

    const FACTS: Facts = Facts::new("wert")
        .acknowledgement(Acknowledgement::Always)
        .answer_within(Duration::from_secs(5))
        .retry_horizon(Duration::from_secs(16 * 3_600))
        .purchase_type("order_complete")
        .public_fields(&[
            "type",
            "order.id",
            "order.base",
            "order.base_amount",
            "order.quote",
            "order.quote_amount",
            "order.error_code",
            "order.fallback_order.id",
            "order.fallback_order.base",
            "order.fallback_order.base_amount",
            "order.fallback_order.quote",
            "order.fallback_order.quote_amount",
            "order.fallback_order.error_code",
        ])
        .refusals(
            3,
            "Wert repeats an event after 5 min, 1 h, 2 h, 4 h and 8 h; when all of these fail, it sends nothing more to this address \
             until sending is switched on again.",
            "Switch webhooks on again at https://partner.wert.io (sandbox: https://partner-sandbox.wert.io); the page Webhooks there has \
             the address and a log of everything that was sent.",
        );
}
