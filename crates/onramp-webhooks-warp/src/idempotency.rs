//! Requests handled once, at any route.

use std::future::{pending, ready};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready as come};

use futures_util::stream::Stream;
use http_body::Body;
use onramp_webhooks::idempotency::{Asked, Begun, Finished, Idempotency};
use tokio::task::JoinHandle;
use tower_service::Service;
use tracing::Instrument;
use warp::filters::BoxedFilter;
use warp::http;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::Reply;
use crate::request::{Chunk, Head, Lines, body, head, rest_of_path};

/// A wrapper that has every request handled once; see [`core::idempotency`](onramp_webhooks::idempotency) for what that means.
///
/// It asks before the filters that it wraps look at anything, their paths included: put the path in front of what is wrapped, and
/// an [`allow_list`](crate::allow_list()) around it.
///
/// A request that is not covered, such as a `GET`, passes untouched. One that is covered runs in a task of its own and as a request
/// of its own, which has the method, the path that is left, the query, the headers and the body. So the wrapped filters find no
/// `warp::addr::remote`, no extensions, and no host but the one in the headers; and what they reject becomes the response that warp
/// has for it, because the body is taken.
///
/// ```
/// use onramp_webhooks_warp::core::idempotency::{Idempotency, MemoryIdempotencyStore};
/// use warp::Filter;
///
/// let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new()).build()?;
/// let order = warp::path::end().and(warp::post()).map(|| "ordered");
/// let app = warp::path("orders").and(order.with(warp::wrap_fn(onramp_webhooks_warp::idempotency(&idempotency))));
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn idempotency<F, R>(idempotency: &Idempotency) -> impl Fn(F) -> BoxedFilter<(Response,)> + Clone + Send + Sync + use<F, R>
where
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let idempotency = idempotency.clone();
    move |inner: F| {
        let untouched = inner.map(R::into_response).boxed();
        let inner = untouched.clone();
        let idempotency = idempotency.clone();
        let asked = head().and_then(move |head: Head| ready(asked(&idempotency, head)));
        let once = asked
            .and(rest_of_path())
            .and(body())
            .then(move |(asked, head), path, body| in_a_task(run(asked, head, path, body, inner.clone())));
        once.or(untouched).unify().boxed()
    }
}

/// A request that is not covered goes on to the next filter, which is what a rejection does.
fn asked(idempotency: &Idempotency, head: Head) -> Result<(Asked, Head), Rejection> {
    match idempotency.ask(&head.whole()) {
        Some(asked) => Ok((asked, head)),
        None => Err(warp::reject::not_found()),
    }
}

async fn run(
    asked: Asked,
    head: Head,
    path: String,
    body: impl Stream<Item = Chunk>,
    inner: BoxedFilter<(Response,)>,
) -> Response {
    let (body, running) = match asked.begin(body).await {
        Begun::Answer(reply) => return Reply(reply).into_response(),
        Begun::Run(body, running) => (body, running),
    };
    let request = match head.into_request(path) {
        Ok(request) => request.map(|()| http::Response::new(body).into_response().into_body()),
        Err(error) => return error.into_response(),
    };
    let Ok(answered) = running.watch(warp::service(inner).call(request)).await;
    let (parts, body) = answered.into_parts();
    match running.finish(parts.status.as_u16(), &Lines(&parts.headers), Chunks(body)).await {
        Finished::Untouched(Chunks(body)) => Response::from_parts(parts, body),
        Finished::Whole(body) => http::Response::from_parts(parts, body).into_response(),
        Finished::Rejoined(body) => Response::from_parts(parts, warp::reply::stream(body).into_response().into_body()),
    }
}

/// Warp does not run filters inside of others; in a task, it does. The task ends with the future, because that ends with its client.
async fn in_a_task(run: impl Future<Output = Response> + Send + 'static) -> Response {
    let mut task = Ending(tokio::spawn(run.in_current_span()));
    match (&mut task.0).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // Only the end of the runtime cancels the task, and then nobody waits any more.
        Err(_) => pending().await,
    }
}

/// A task that ends with this value.
struct Ending<T>(JoinHandle<T>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The chunks of a body, which can be had back.
struct Chunks<B>(B);

impl<B: Body + Unpin> Stream for Chunks<B> {
    type Item = Result<B::Data, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match come!(Pin::new(&mut self.0).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
