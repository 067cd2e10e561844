//! The way in for Kriptomat's widget postbacks.

use std::net::{IpAddr, Ipv4Addr};

use crate::allow_list::AllowList;
use crate::event::Provider;
use crate::receiver::Endpoint;
use crate::watchdog::Stopping;

/// Kriptomat's documentation has nothing on retries, on stopping, or on a page for it.
pub(super) const STOPPING: Stopping = Stopping {
    failures: 3,
    consequence: "Kriptomat documents no retries: a postback that was refused may never come again.",
    remedy: "Kriptomat documents no page where postbacks are switched on again: check the webhook_url that widget/init is given, and \
        whether postbacks still come from an address on the list (174.138.2.203 is documented); then ask Kriptomat.",
};

/// The address that Kriptomat's widget documentation names as the source of postbacks. It is an address of a cloud, so another
/// tenant may have it one day.
const DOCUMENTED_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(174, 138, 2, 203));

/// Makes endpoints for Kriptomat's widget postbacks.
///
/// The only check that Kriptomat's documentation names is the source address. The postback's address is part of the request that
/// starts a widget, so a secret in its path costs nothing and helps: add [`path_secret`](Endpoint::path_secret).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Kriptomat;

impl Kriptomat {
    /// An endpoint `kriptomat`, reached at `/kriptomat`, that lets the documented source address in: 174.138.2.203.
    #[must_use]
    pub fn production() -> Endpoint {
        Self::allowing([DOCUMENTED_SOURCE].into_iter().collect())
    }

    /// An endpoint `kriptomat`, reached at `/kriptomat`, that lets other addresses in.
    #[must_use]
    pub fn allowing(addresses: AllowList) -> Endpoint {
        Endpoint::open(Provider::Kriptomat).allow(addresses)
    }

    /// An endpoint `kriptomat` that lets every address in that knows its path: `/kriptomat/SECRET`.
    #[must_use]
    pub fn with_path_secret(secret: impl Into<String>) -> Endpoint {
        Endpoint::open(Provider::Kriptomat).path_secret(secret)
    }
}
