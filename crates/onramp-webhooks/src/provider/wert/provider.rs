//! Wert as a provider, and its endpoints.

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
    /// Creates an endpoint `wert` that is reached at `/wert/SECRET`. Use at least 32 random characters.
    #[must_use]
    pub fn with_path_secret(secret: impl Into<String>) -> Endpoint {
        Endpoint::open(Self).path_secret(secret)
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
        .refusals(
            3,
            "Wert repeats an event after 5 min, 1 h, 2 h, 4 h and 8 h; when all of these fail, it sends nothing more to this address \
             until sending is switched on again.",
            "Switch webhooks on again at https://partner.wert.io (sandbox: https://partner-sandbox.wert.io); the page Webhooks there has \
             the address and a log of everything that was sent.",
        );
}
