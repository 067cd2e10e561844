//! Idempotency at any route.

use std::future::{pending, ready};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{self, Context, Poll};

use bytes::Bytes;
use futures_util::stream::Stream;
use http_body::Body;
use onramp_webhooks::adapter::{Claim, Idempotency, KeyGuard, Keyed, StoredBody};
use tokio::task::JoinHandle;
use tower_service::Service;
use tracing::Instrument;
use warp::filters::BoxedFilter;
use warp::http;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::Reply;
use crate::request::{Chunk, Head, Lines, body, head, rest_of_path};

/// Returns a filter that runs the first request with a key, with `inner`, and responds to repetitions with the stored reply. See
/// [`core::idempotency`](onramp_webhooks::idempotency) for the rules.
///
/// Requests that do not match `path` are rejected, so the next filters of an [`or`](Filter::or) can handle them. `inner` sees the rest of
/// the path. To combine the filter with [`allow_list`](crate::allow_list()), pass it to `allow_list` as `inner`.
///
/// A request that is not covered, such as a `GET`, is passed to `inner` unchanged. A covered request runs in a separate task, rebuilt
/// from its method, the rest of its path, its query, its headers and its body. Therefore `warp::addr::remote` and extensions are not
/// available in `inner`, and the host is only available from the headers. A rejection by `inner` becomes warp's response to that
/// rejection, because no other filter could read the body again.
///
/// ```
/// use onramp_webhooks_warp::core::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
/// use onramp_webhooks_warp::idempotency;
/// use warp::Filter;
///
/// let once = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build()?;
/// let orders = idempotency(&once, warp::path!("orders"), warp::post().map(|| "ordered"));
/// let app = orders.or(warp::path::end().map(|| "my shop"));
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn idempotency<P, F, R>(idempotency: &Idempotency, path: P, inner: F) -> BoxedFilter<(Response,)>
where
    P: Filter<Extract = (), Error: Into<Rejection>> + Send + Sync + 'static,
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let idempotency = idempotency.clone();
    let untouched = inner.map(R::into_response).boxed();
    let inner = untouched.clone();
    let keyed = head().and_then(move |head: Head| ready(lookup(&idempotency, head)));
    let once = keyed
        .and(rest_of_path())
        .and(body())
        .then(move |(keyed, head), path, body| answer(keyed, head, path, body, inner.clone()));
    path.boxed().and(once.or(untouched).unify()).boxed()
}

/// Checks the head of a request, and rejects a request that is not covered, so that warp runs the next filter.
fn lookup(idempotency: &Idempotency, head: Head) -> Result<(Keyed, Head), Rejection> {
    match idempotency.lookup(&head.whole()) {
        Some(keyed) => Ok((keyed, head)),
        None => Err(warp::reject::not_found()),
    }
}

async fn answer(
    keyed: Keyed,
    head: Head,
    path: String,
    body: impl Stream<Item = Chunk>,
    inner: BoxedFilter<(Response,)>,
) -> Response {
    match keyed.claim(body).await {
        Claim::Answer(reply) => Reply(reply).into_response(),
        Claim::Run(body, guard) => in_a_task(run(guard, head, path, body, inner)).await,
    }
}

async fn run(guard: KeyGuard, head: Head, path: String, body: Bytes, inner: BoxedFilter<(Response,)>) -> Response {
    let request = match head.into_request(path) {
        Ok(request) => request.map(|()| http::Response::new(body).into_response().into_body()),
        Err(error) => return error.into_response(),
    };
    let Ok(answered) = guard.run(warp::service(inner).call(request)).await;
    let (parts, body) = answered.into_parts();
    match guard.store(parts.status.as_u16(), &Lines(&parts.headers), Chunks(body)).await {
        StoredBody::Untouched(Chunks(body)) => Response::from_parts(parts, body),
        StoredBody::Whole(body) => http::Response::from_parts(parts, body).into_response(),
        StoredBody::Rejoined(body) => Response::from_parts(parts, warp::reply::stream(body).into_response().into_body()),
    }
}

/// Runs a request in a task, because warp cannot run a filter inside another one. Dropping this future, as when the client disconnects,
/// aborts the task.
async fn in_a_task(run: impl Future<Output = Response> + Send + 'static) -> Response {
    let mut task = AbortOnDrop(tokio::spawn(run.in_current_span()));
    match (&mut task.0).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The task is cancelled only when the runtime ends, and then nothing awaits it.
        Err(_) => pending().await,
    }
}

/// A task that is aborted when this value is dropped.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body as a stream of chunks.
struct Chunks<B>(B);

impl<B: Body + Unpin> Stream for Chunks<B> {
    type Item = Result<B::Data, B::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match task::ready!(Pin::new(&mut self.0).poll_frame(cx)) {
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
