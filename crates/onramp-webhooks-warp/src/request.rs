//! Conversion of warp's request heads and bodies to the core's.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes};
use futures_util::future::Either;
use futures_util::stream::{self, Stream, TryStreamExt};
use onramp_webhooks::adapter::{Headers, Request};
use warp::Filter;
use warp::http::{self, HeaderMap, Method};
use warp::path::FullPath;

/// Owned or borrowed header lines.
pub(crate) struct Lines<H>(pub(crate) H);

impl<H: Borrow<HeaderMap> + Sync> Headers for Lines<H> {
    fn lines<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        Box::new(self.0.borrow().get_all(name).iter().map(|value| value.as_bytes()))
    }

    fn each(&self, see: &mut dyn FnMut(&str, &[u8])) {
        self.0.borrow().iter().for_each(|(name, value)| see(name.as_str(), value.as_bytes()));
    }
}

/// The head of a request, collected from filters.
pub(crate) struct Head {
    method: Method,
    path: FullPath,
    query: Option<String>,
    peer: Option<SocketAddr>,
    lines: Lines<HeaderMap>,
}

impl Head {
    /// Returns the head with its full path.
    pub(crate) fn whole(&self) -> Request<'_> {
        self.at(self.path.as_str())
    }

    /// Returns the head with its path below the mount point.
    pub(crate) fn at<'a>(&'a self, path: &'a str) -> Request<'a> {
        let peer: Option<IpAddr> = self.peer.map(|peer| peer.ip());
        Request::new(self.method.as_str(), path, peer, &self.lines).with_query(self.query.as_deref())
    }

    /// Creates a request with this head and the rest of its path. Parts that filters cannot extract are missing.
    pub(crate) fn into_request(self, path: String) -> http::Result<http::Request<()>> {
        let address = match self.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let mut request = http::Request::builder().method(self.method).uri(address).body(())?;
        *request.headers_mut() = self.lines.0;
        Ok(request)
    }
}

/// Returns a filter that extracts the head.
pub(crate) fn head() -> impl Filter<Extract = (Head,), Error = Infallible> + Copy + Send + Sync + 'static {
    let query = warp::query::raw().map(Some).or_else(|_| ready(Ok::<_, Infallible>((None,))));
    let pieces = warp::method().and(warp::path::full()).and(query).and(peer()).and(warp::header::headers_cloned());
    pieces.map(|method, path, query, peer, headers| Head { method, path, query, peer, lines: Lines(headers) })
}

/// Returns a filter that extracts the address of the client, from `warp::serve` or from the extension that another server sets.
fn peer() -> impl Filter<Extract = (Option<SocketAddr>,), Error = Infallible> + Copy + Send + Sync + 'static {
    warp::addr::remote().and(warp::ext::optional()).map(|served: Option<SocketAddr>, set| served.or(set))
}

/// Returns a filter that extracts the rest of the path as it was sent, with its slash.
pub(crate) fn rest_of_path() -> impl Filter<Extract = (String,), Error = Infallible> + Copy + Send + Sync + 'static {
    warp::path::tail().map(|rest: warp::path::Tail| format!("/{}", rest.as_str()))
}

/// Returns a filter that takes the body. If another filter has already taken it, reading the body fails, so that it is not mistaken for
/// an empty one.
pub(crate) fn body()
-> impl Filter<Extract = (impl Stream<Item = Chunk> + Send + Sync,), Error = Infallible> + Copy + Send + Sync + 'static {
    let taken = warp::body::stream().map(Some).or_else(|_| ready(Ok::<_, Infallible>((None,))));
    taken.map(|body: Option<_>| match body {
        Some(body) => Either::Left(TryStreamExt::map_ok(body, whole_chunk).map_err(Into::into)),
        None => Either::Right(stream::once(ready(Err("another filter has taken the body".into())))),
    })
}

pub(crate) type Chunk = Result<Bytes, Box<dyn Error + Send + Sync>>;

fn whole_chunk(mut chunk: impl Buf) -> Bytes {
    chunk.copy_to_bytes(chunk.remaining())
}
