//! The site of the adapter suite, on axum. Over TCP it has the server that the guide advises.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use onramp_webhooks::{Kriptomat, Wert};
use onramp_webhooks_axum::{Reply, Webhook, allow_list, idempotency, page, routes};
use onramp_webhooks_server::Server;
use onramp_webhooks_testkit::adapter::{Listener, Site};

/// Serves the site until it is stopped.
#[tokio::main]
pub async fn serve(site: Site) {
    let app = app(&site);
    match site.listener() {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, site.stopped()).await;
        }
        Listener::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            axum::serve(listener, app).with_graceful_shutdown(site.stopped()).await.unwrap();
        }
    }
}

/// Mounts the routes of a site.
pub fn app(site: &Site) -> Router {
    let once = || Router::new().route("/{route}", any(work)).layer(idempotency(site.by_header()));
    let event = Router::new().route("/{route}", any(work)).layer(idempotency(site.by_event()));
    Router::new()
        .nest("/webhooks", routes(site.receiver()))
        .route("/inline/wert", post(async |State(site): State<Site>, Webhook(event): Webhook<Wert>| Reply(site.wert(event))))
        .route(
            "/inline/kriptomat",
            post(async |State(site): State<Site>, Webhook(postback): Webhook<Kriptomat>| {
                Ok::<_, Reply>(Reply(site.kriptomat(postback?)))
            }),
        )
        .route("/guarded", any(async |State(site): State<Site>| site.guarded()).layer(allow_list(site.gate())))
        .nest("/once", once())
        .nest("/again", once())
        .nest("/event", event)
        .nest_service("/page", page(site.page()))
        .route("/elsewhere", get(async |State(site): State<Site>| site.elsewhere()))
        .with_state(site.clone())
}

async fn work(State(site): State<Site>, body: Bytes) -> Response {
    let worked = site.work(body).await;
    let response = Response::builder().status(worked.status);
    let response = worked.headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    let body = worked.stream().map_or_else(|| Body::from(worked.body.clone()), Body::from_stream);
    response.body(body).unwrap()
}
