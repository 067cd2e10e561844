//! Kriptomat as a provider, and its endpoints.

use std::net::{IpAddr, Ipv4Addr};

use super::KriptomatPostback;
use super::postback::POSTBACK;
use crate::allow_list::AllowList;
use crate::provider::{Endpoint, Facts, Provider};

/// The address that Kriptomat's widget documentation names as the source of postbacks. It belongs to a cloud provider, which may
/// assign it to another tenant.
const DOCUMENTED_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(174, 138, 2, 203));

/// Kriptomat's widget postbacks.
///
/// The only check that Kriptomat documents is the source address. Add a secret to the path with [`path_secret`](Endpoint::path_secret): the
/// shop sends the address for postbacks in the request that starts a widget.
///
/// A postback does not name the currency of its `fiat_amount`. Kriptomat's documentation states that it is euro by default. If the widgets
/// of an account charge in another currency, state it for the endpoint with [`fiat_currency`](Endpoint::fiat_currency), or with each
/// purchase that the shop starts ([`Purchase::fiat_currency`](crate::purchases::Purchase::fiat_currency)), which takes precedence.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Kriptomat;

impl Kriptomat {
    /// Creates an endpoint `kriptomat`, reached at `/kriptomat`, that accepts the documented source address: 174.138.2.203.
    #[must_use]
    pub fn production() -> Endpoint {
        Self::allowing([DOCUMENTED_SOURCE].into_iter().collect())
    }

    /// Creates an endpoint `kriptomat`, reached at `/kriptomat`, that accepts the given addresses.
    #[must_use]
    pub fn allowing(addresses: AllowList) -> Endpoint {
        Endpoint::open(Self).allow(addresses)
    }

    /// Creates an endpoint `kriptomat`, reached at `/kriptomat/SECRET`, that accepts every address.
    #[must_use]
    pub fn with_path_secret(secret: impl Into<String>) -> Endpoint {
        Endpoint::open(Self).path_secret(secret)
    }
}

/// Kriptomat documents no retries, no time limit and no page for switching postbacks on again.
impl Provider for Kriptomat {
    type Event = KriptomatPostback;

    const FACTS: Facts = Facts::new("kriptomat")
        .starts_purchases()
        .purchase_type(POSTBACK)
        .public_fields(&["uuid", "amount", "asset_type", "fiat_amount", "network"])
        .default_fiat_currency(KriptomatPostback::FIAT_CURRENCY)
        .refusals(
            3,
            "Kriptomat documents no retries: a postback that was refused may never be sent again.",
            "Check the webhook_url that widget/init is given, and whether postbacks still come from an address on the allow-list \
             (174.138.2.203 is documented); then contact Kriptomat, which documents no page for switching postbacks on again.",
        );
}
