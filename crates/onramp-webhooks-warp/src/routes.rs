//! The mount.

use std::future::ready;

use onramp_webhooks::Receiver;
use warp::filters::BoxedFilter;
use warp::{Filter, Rejection};

use crate::Reply;
use crate::request::{Head, body, head, rest_of_path};

/// A filter for every endpoint of `receiver`: `/NAME` and all below it, in every method, because the receiver has an answer to each.
/// Any other path it rejects as not found, before it takes the body, and whatever [`or`](Filter::or) holds next has its turn.
///
/// Put it [behind](Filter::and) the path where the providers are told to send their events, or behind none to have it at the root.
/// The [crate's documentation](crate) has an example.
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
