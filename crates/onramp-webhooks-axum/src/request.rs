//! The head of axum's request as the core sees it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use onramp_webhooks::{Headers, Request};

/// Borrows axum's header lines.
pub(crate) struct Lines<'a>(pub(crate) &'a HeaderMap);

impl Headers for Lines<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.0.get_all(name).iter().map(|value| value.as_bytes()))
    }
}

/// The head for the core. Its path begins at the endpoint's name, because axum takes the prefix of a nest away.
pub(crate) fn head<'a>(parts: &'a Parts, lines: &'a Lines<'a>) -> Request<'a> {
    Request::new(parts.method.as_str(), parts.uri.path(), peer(parts), lines)
}

/// `None` when the application is not served with connect info.
fn peer(parts: &Parts) -> Option<IpAddr> {
    let served = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer);
    let mocked = || parts.extensions.get::<MockConnectInfo<SocketAddr>>().map(|MockConnectInfo(peer)| peer);
    served.or_else(mocked).map(SocketAddr::ip)
}
