//! The routes of a receiver.

use std::future::ready;

use onramp_webhooks::Receiver;
use warp::filters::BoxedFilter;
use warp::{Filter, Rejection};

use crate::Reply;
use crate::request::{Head, body, head, rest_of_path};

/// Returns a filter for every endpoint of `receiver`.
///
/// It matches `/NAME` and all paths below it, with every method, because the receiver also responds to requests that it refuses. Other
/// paths are rejected as not found before the body is taken, so the next filters of an [`or`](Filter::or) can handle them.
///
/// Put the filter [behind](Filter::and) the path that the providers send to, or use it alone for routes at the root. The
/// [crate's documentation](crate) has an example.
pub fn routes(receiver: Receiver) -> BoxedFilter<(Reply,)> {
    let mounted = receiver.clone();
    let path = rest_of_path().and_then(move |path: String| ready(served(&mounted, path)));
    let received = path.and(head()).and(body()).then(move |path: String, head: Head, body| {
        let received = receiver.receive(&head.at(&path), body);
        async { Reply(received.await) }
    });
    received.boxed()
}

fn served(receiver: &Receiver, path: String) -> Result<String, Rejection> {
    if receiver.serves(&path) { Ok(path) } else { Err(warp::reject::not_found()) }
}
