//! Allow-lists in front of any route.

use std::future::ready;

use onramp_webhooks::adapter::AllowListGate;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::Reply;
use crate::request::{Head, head};

/// Returns a filter that passes requests of clients that `gate` admits to `inner`, and denies all others.
///
/// Keep a clone of the gate to replace its rules later.
///
/// Requests that do not match `path` are rejected before the gate checks them, so the next filters of an [`or`](Filter::or) can handle
/// them. The gate checks every request that matches, and `inner` may still reject requests of admitted clients. `path` may also match the
/// method: `warp::path!("admin").and(warp::get())`.
///
/// `path` extracts nothing, and `inner` sees the rest of the path. Handlers that need the client use
/// [`Client::filter`](crate::Client::filter) instead.
///
/// ```
/// use onramp_webhooks_warp::allow_list;
/// use onramp_webhooks_warp::core::client_ip::ClientIp;
/// use onramp_webhooks_warp::core::gate::AllowListGate;
/// use warp::Filter;
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let admin = allow_list(&gate, warp::path!("admin"), warp::get().map(|| "hello"));
/// let app = admin.or(warp::path::end().map(|| "my shop"));
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn allow_list<P, F, R>(gate: &AllowListGate, path: P, inner: F) -> BoxedFilter<(Response,)>
where
    P: Filter<Extract = (), Error: Into<Rejection>> + Send + Sync + 'static,
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let gate = gate.clone();
    let denied = head().and_then(move |head: Head| ready(denied(&gate, &head)));
    path.boxed().and(denied.or(inner.map(R::into_response).boxed()).unify()).boxed()
}

/// Returns the reply to a denied client, or a rejection for an admitted client, so that warp runs the next filter.
fn denied(gate: &AllowListGate, head: &Head) -> Result<Response, Rejection> {
    match gate.admit(&head.whole()) {
        Ok(_) => Err(warp::reject::not_found()),
        Err(reply) => Ok(Reply(reply).into_response()),
    }
}
