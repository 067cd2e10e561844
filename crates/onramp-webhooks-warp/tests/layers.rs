//! The order of wrappers: idempotency inside of CORS, compression and tracing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use onramp_webhooks::idempotency::{MemoryIdempotencyStore, Scope};
use onramp_webhooks_suite::layers::{self, ORDERED, PAGES, Trace};
use warp::http::StatusCode;
use warp::reply::with_status;

use onramp_webhooks_warp::core::idempotency::Idempotency;
use onramp_webhooks_warp::idempotency;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// Routes orders from the pages of a shop. The last wrapper is the outermost.
fn orders<F, R>(order: F, once: &Idempotency) -> BoxedFilter<(Response,)>
where
    F: Filter<Extract = (R,), Error = Rejection> + Send + Sync + 'static,
    R: Reply + 'static,
{
    let orders = idempotency(once, warp::path!("orders"), order);
    // warp compresses without asking, so this is only for clients that accept it.
    let compressed = accepts_gzip().and(orders.clone()).with(warp::compression::gzip());
    let cors = warp::cors()
        .allow_origins(["https://shop.example", "https://admin.example"])
        .allow_methods(["POST"])
        .allow_headers(["content-type", "idempotency-key"])
        .expose_headers(["idempotent-replayed"]);
    compressed.or(orders).with(cors).with(warp::trace::request()).map(Reply::into_response).boxed()
}

/// Rejects clients that do not accept gzip.
fn accepts_gzip() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let accepted = warp::header::<String>("accept-encoding");
    let checked = accepted.and_then(async |accepted: String| match accepted.contains("gzip") {
        true => Ok(()),
        false => Err(warp::reject()),
    });
    checked.untuple_one()
}

fn once() -> Idempotency {
    Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).build().unwrap()
}

fn order(runs: &Arc<AtomicUsize>) -> BoxedFilter<(impl Reply + use<>,)> {
    let runs = Arc::clone(runs);
    let run = move || {
        runs.fetch_add(1, Ordering::Relaxed);
        with_status(ORDERED, StatusCode::CREATED)
    };
    warp::post().map(run).boxed()
}

async fn serve<F, R>(app: F) -> SocketAddr
where
    F: Filter<Extract = (R,), Error = Rejection> + Send + Sync + 'static,
    R: Reply + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(app.boxed()).incoming(listener).run());
    address
}

#[tokio::test]
async fn a_replay_is_compressed_for_its_own_client() {
    layers::a_replay_is_compressed_for_its_own_client(serve(orders(order(&Arc::default()), &once())).await).await;
}

#[tokio::test]
async fn cors_is_about_the_present_request() {
    let runs = Arc::default();
    let server = serve(orders(order(&runs), &once())).await;
    layers::cors_is_about_the_present_request(server, || runs.load(Ordering::Relaxed)).await;
}

#[tokio::test]
async fn a_trace_shows_replays() {
    let trace = Trace::default();
    let writer = trace.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::INFO);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).without_time().finish());
    let server = serve(orders(order(&Arc::default()), &once())).await;
    layers::a_trace_shows_replays(server, &trace).await;
}

#[tokio::test]
async fn wrappers_inside_are_about_the_first_request() {
    let cors = warp::cors().allow_origins(PAGES).allow_methods(["POST"]);
    let app = idempotency(&once(), warp::path!("orders"), order(&Arc::default()).with(cors));
    layers::cors_inside_is_about_the_first_request(serve(app).await).await;
    let compressed = order(&Arc::default()).with(warp::compression::gzip());
    let app = idempotency(&once(), warp::path!("orders"), compressed);
    layers::compression_inside_is_for_the_first_client(serve(app).await).await;
}

#[test]
fn the_readme_shows_this_order() {
    let shown = include_str!("layers.rs").split("\n\n").find(|part| part.starts_with("/// Routes orders")).unwrap();
    assert!(include_str!("../README.md").contains(shown));
}
