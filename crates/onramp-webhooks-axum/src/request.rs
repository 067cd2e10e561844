//! Conversion of axum's request heads to the core's.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, OriginalUri};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use onramp_webhooks::adapter::{Headers, Request};

/// Borrowed header lines.
pub(crate) struct Lines<'a>(pub(crate) &'a HeaderMap);

impl Headers for Lines<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.0.get_all(name).iter().map(|value| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

/// Returns the head with its path below the mount point. The path begins with the endpoint's name, because axum strips the prefix of a
/// nested router.
pub(crate) fn head<'a>(parts: &'a Parts, lines: &'a Lines<'a>) -> Request<'a> {
    Request::new(parts.method.as_str(), parts.uri.path(), peer(parts), lines).with_query(parts.uri.query())
}

/// Returns the head with its full path.
pub(crate) fn whole_head<'a>(parts: &'a Parts, lines: &'a Lines<'a>) -> Request<'a> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    Request::new(parts.method.as_str(), uri.path(), peer(parts), lines).with_query(uri.query())
}

/// Returns the address of the peer, or `None` if the application is served without connect info.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let served = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer);
    let mocked = || parts.extensions.get::<MockConnectInfo<SocketAddr>>().map(|MockConnectInfo(peer)| peer);
    served.or_else(mocked).map(SocketAddr::ip)
}
