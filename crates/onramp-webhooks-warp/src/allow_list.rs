//! The allow-list in front of any route.

use std::future::ready;

use onramp_webhooks::gate::AllowListGate;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::Reply;
use crate::request::{Head, head};

/// A wrapper that lets in the clients that `gate` admits, and answers the others itself. Keep a clone of the gate to replace its
/// rules. Warp has no way to tell a handler who was let in.
///
/// It judges before the filters that it wraps look at anything, their paths included: put the path in front of what is wrapped. Who
/// is denied gets an answer and no rejection, so that nothing that follows in an [`or`](Filter::or) has its turn; whoever is let in
/// may still be rejected by the wrapped filters.
///
/// ```
/// use onramp_webhooks_warp::core::gate::AllowListGate;
/// use onramp_webhooks_warp::core::client_ip::ClientIp;
/// use warp::Filter;
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let admin = warp::path::end().map(|| "hello").with(warp::wrap_fn(onramp_webhooks_warp::allow_list(&gate)));
/// let app = warp::path("admin").and(admin).or(warp::path::end().map(|| "my shop"));
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn allow_list<F, R>(gate: &AllowListGate) -> impl Fn(F) -> BoxedFilter<(Response,)> + Clone + Send + Sync + use<F, R>
where
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let gate = gate.clone();
    move |inner: F| {
        let admitted = inner.map(R::into_response).boxed();
        let gate = gate.clone();
        let denied = head().and_then(move |head: Head| ready(denied(&gate, &head)));
        denied.or(admitted).unify().boxed()
    }
}

/// Whoever is let in goes on to the next filter, which is what a rejection does.
fn denied(gate: &AllowListGate, head: &Head) -> Result<Response, Rejection> {
    match gate.admit(&head.whole()) {
        Ok(_) => Err(warp::reject::not_found()),
        Err(reply) => Ok(Reply(reply).into_response()),
    }
}
