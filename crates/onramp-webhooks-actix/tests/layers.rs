//! The order of middleware: idempotency inside of CORS, compression and logging.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse, HttpServer};
use onramp_webhooks::idempotency::{MemoryIdempotencyStore, Scope};
use onramp_webhooks_suite::layers::{self, ORDERED, PAGES, Trace};

use actix_cors::Cors;
use actix_web::Route;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::{Compress, Logger};
use actix_web::web;
use onramp_webhooks_actix::core::idempotency::Idempotency;
use onramp_webhooks_actix::idempotency;

/// Routes orders from the pages of a shop. The last middleware is the outermost.
fn orders(order: Route, once: &Idempotency) -> impl HttpServiceFactory + use<> {
    let cors = Cors::default()
        .allowed_origin("https://shop.example")
        .allowed_origin("https://admin.example")
        .allowed_methods(["POST"])
        .allowed_headers(["content-type", "idempotency-key"])
        .expose_headers(["idempotent-replayed"]);
    web::resource("/orders").route(order).wrap(idempotency(once)).wrap(Compress::default()).wrap(cors).wrap(Logger::default())
}

fn once() -> Idempotency {
    Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).build().unwrap()
}

fn order(runs: &Arc<AtomicUsize>) -> Route {
    let runs = Arc::clone(runs);
    web::post().to(move || {
        runs.fetch_add(1, Ordering::Relaxed);
        std::future::ready(HttpResponse::Created().content_type("text/plain").body(ORDERED))
    })
}

fn serve(configure: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let server = HttpServer::new(move || App::new().configure(configure.clone())).workers(1).disable_signals();
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = server.addrs().first().copied().unwrap();
    tokio::spawn(server.run());
    address
}

/// Serves orders, and counts them in `runs`.
fn serve_orders(runs: &Arc<AtomicUsize>) -> SocketAddr {
    let (runs, once) = (Arc::clone(runs), once());
    serve(move |app| {
        app.service(orders(order(&runs), &once));
    })
}

#[tokio::test]
async fn a_replay_is_compressed_for_its_own_client() {
    layers::a_replay_is_compressed_for_its_own_client(serve_orders(&Arc::default())).await;
}

#[tokio::test]
async fn cors_is_about_the_present_request() {
    let runs = Arc::default();
    layers::cors_is_about_the_present_request(serve_orders(&runs), || runs.load(Ordering::Relaxed)).await;
}

/// The log of this process, as far as `actix-web` writes it.
struct Log(OnceLock<Trace>);

static LOG: Log = Log(OnceLock::new());

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let trace = self.0.get().filter(|_| record.target().ends_with("logger"));
        if let Some(mut trace) = trace.cloned() {
            writeln!(trace, "{}", record.args()).unwrap();
        }
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn a_log_shows_replays() {
    let trace = LOG.0.get_or_init(Trace::default);
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    layers::a_trace_shows_replays(serve_orders(&Arc::default()), trace).await;
}

#[tokio::test]
async fn middleware_inside_is_about_the_first_request() {
    let first = once();
    let server = serve(move |app| {
        let cors = PAGES.into_iter().fold(Cors::default(), Cors::allowed_origin).allowed_methods(["POST"]);
        app.service(web::resource("/orders").route(order(&Arc::default())).wrap(cors).wrap(idempotency(&first)));
    });
    layers::cors_inside_is_about_the_first_request(server).await;
    let second = once();
    let server = serve(move |app| {
        let orders = web::resource("/orders").route(order(&Arc::default()));
        app.service(orders.wrap(Compress::default()).wrap(idempotency(&second)));
    });
    layers::compression_inside_is_for_the_first_client(server).await;
}

#[test]
fn the_readme_shows_this_order() {
    let shown = include_str!("layers.rs").split("\n\n").find(|part| part.starts_with("/// Routes orders")).unwrap();
    assert!(include_str!("../README.md").contains(shown));
}
