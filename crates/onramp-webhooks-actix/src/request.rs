//! Conversion of actix's request heads to the core's.

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use onramp_webhooks::adapter::{Headers, Request};

/// Borrowed header lines.
pub(crate) struct Lines<'a>(pub(crate) &'a HeaderMap);

impl Headers for Lines<'_> {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.0.get_all(name).map(|value| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

/// Returns the head with its path below the mount point. The path begins with the endpoint's name, by which `request` was routed.
pub(crate) fn head<'a>(request: &'a HttpRequest, lines: &'a Lines<'a>) -> Request<'a> {
    let whole = whole_head(request, lines);
    let path = from_endpoint(whole.path, request.match_info().unprocessed());
    Request::new(whole.method, path, whole.peer, whole.headers).with_query(whole.query)
}

/// Returns the head with its path below the scopes by which `request` was routed.
pub(crate) fn rest<'a>(request: &'a HttpRequest, lines: &'a Lines<'a>) -> Request<'a> {
    let whole = whole_head(request, lines);
    let slashes = request.match_info().unprocessed().matches('/').count();
    let path = slashes.checked_sub(1).map_or("", |slashes| from_slash(whole.path, slashes));
    Request::new(whole.method, path, whole.peer, whole.headers).with_query(whole.query)
}

/// Returns the head with its full path.
pub(crate) fn whole_head<'a>(request: &'a HttpRequest, lines: &'a Lines<'a>) -> Request<'a> {
    let (method, uri) = (request.method().as_str(), request.uri());
    Request::new(method, uri.path(), request.peer_addr().as_ref().map(SocketAddr::ip), lines).with_query(uri.query())
}

/// Returns the part of `path` that begins with the endpoint's name. `below` is the part after the name. Actix has percent-decoded it
/// except for encoded slashes, so its number of slashes determines the position in `path`.
fn from_endpoint<'a>(path: &'a str, below: &str) -> &'a str {
    from_slash(path, below.matches('/').count())
}

/// Returns the part of `path` that begins with a slash and has `more` slashes after it.
fn from_slash(path: &str, more: usize) -> &str {
    path.rmatch_indices('/').nth(more).and_then(|(slash, _)| path.get(slash..)).unwrap_or(path)
}
