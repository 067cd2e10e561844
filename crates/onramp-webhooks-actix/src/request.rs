//! The head of actix's request as the core sees it.

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use onramp_webhooks::{Headers, Request};

/// Borrows actix's header lines.
pub(crate) struct Lines<'a>(pub(crate) &'a HeaderMap);

impl Headers for Lines<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.0.get_all(name).map(|value| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

/// The head below the mount: its path begins at the endpoint's name, after which `request` has been routed.
pub(crate) fn head<'a>(request: &'a HttpRequest, lines: &'a Lines<'a>) -> Request<'a> {
    let whole = whole_head(request, lines);
    let path = from_endpoint(whole.path, request.match_info().unprocessed());
    Request::new(whole.method, path, whole.peer, whole.headers).with_query(whole.query)
}

/// The head with its whole path.
pub(crate) fn whole_head<'a>(request: &'a HttpRequest, lines: &'a Lines<'a>) -> Request<'a> {
    let (method, uri) = (request.method().as_str(), request.uri());
    Request::new(method, uri.path(), request.peer_addr().as_ref().map(SocketAddr::ip), lines).with_query(uri.query())
}

/// The part of `path`, which is as it was sent, from the endpoint's name on. `below` is what follows the name; actix has decoded it,
/// but never a slash, so that both have as many.
fn from_endpoint<'a>(path: &'a str, below: &str) -> &'a str {
    let slashes = below.matches('/').count();
    path.rmatch_indices('/').nth(slashes).and_then(|(name, _)| path.get(name..)).unwrap_or(path)
}
