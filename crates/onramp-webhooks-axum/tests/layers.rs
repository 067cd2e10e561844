//! The order of layers: idempotency inside of CORS, compression and tracing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use onramp_webhooks::idempotency::{MemoryIdempotencyStore, Scope};
use onramp_webhooks_suite::layers::{self, ORDERED, PAGES, Trace};

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header::CONTENT_TYPE};
use axum::routing::MethodRouter;
use onramp_webhooks_axum::core::idempotency::Idempotency;
use onramp_webhooks_axum::idempotency;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;

/// Routes orders from the pages of a shop. The last layer is the outermost.
fn orders(order: MethodRouter, once: &Idempotency) -> Router {
    let pages = ["https://shop.example", "https://admin.example"].map(HeaderValue::from_static);
    let cors = CorsLayer::new()
        .allow_origin(pages)
        .allow_headers([CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
        .expose_headers([HeaderName::from_static("idempotent-replayed")]);
    Router::new()
        .route("/orders", order)
        .layer(idempotency(once))
        .layer(CompressionLayer::new())
        .layer(cors)
        .layer(TraceLayer::new_for_http())
}

fn once() -> Idempotency {
    Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).build().unwrap()
}

fn order(runs: &Arc<AtomicUsize>) -> MethodRouter {
    let runs = Arc::clone(runs);
    axum::routing::post(async move || {
        runs.fetch_add(1, Ordering::Relaxed);
        (axum::http::StatusCode::CREATED, ORDERED)
    })
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
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
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).without_time().finish());
    let server = serve(orders(order(&Arc::default()), &once())).await;
    layers::a_trace_shows_replays(server, &trace).await;
}

#[tokio::test]
async fn layers_inside_are_about_the_first_request() {
    let cors = CorsLayer::new().allow_origin(PAGES.map(HeaderValue::from_static));
    let app = Router::new().route("/orders", order(&Arc::default())).layer(cors).layer(idempotency(&once()));
    layers::cors_inside_is_about_the_first_request(serve(app).await).await;
    let app = Router::new().route("/orders", order(&Arc::default())).layer(CompressionLayer::new()).layer(idempotency(&once()));
    layers::compression_inside_is_for_the_first_client(serve(app).await).await;
}

#[test]
fn the_readme_shows_this_order() {
    let shown = include_str!("layers.rs").split("\n\n").find(|part| part.starts_with("/// Routes orders")).unwrap();
    assert!(include_str!("../README.md").contains(shown));
}
