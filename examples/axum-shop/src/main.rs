//! Run with `cargo run -p axum-shop`.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shop::{LARGEST_REQUEST, Shop, in_time};

fn main() -> ExitCode {
    shop::run(serve)
}

async fn serve(shop: Shop) -> std::io::Result<()> {
    let app = Router::new()
        .nest("/webhooks", onramp_webhooks_axum::routes(shop.receiver()))
        .route("/points/{customer}", get(points))
        .route("/buy", post(buy).layer(DefaultBodyLimit::max(LARGEST_REQUEST)))
        .route("/healthz", get(health))
        .route("/healthz/", get(health))
        .with_state(shop.clone());
    shop.server()?.serve(app, ConnectInfo::<SocketAddr>, shop.stopped()).await;
    Ok(())
}

async fn points(State(shop): State<Shop>, Path(customer): Path<String>) -> Response {
    respond(shop.points(customer).await)
}

async fn buy(State(shop): State<Shop>, request: Request) -> Response {
    match in_time(Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => respond(shop.buy(&body).await),
        Ok(Err(rejection)) => rejection.into_response(),
        Err(late) => respond(late),
    }
}

async fn health(State(shop): State<Shop>) -> Response {
    respond(shop.health().await)
}

fn respond(response: shop::Response) -> Response {
    match StatusCode::from_u16(response.status) {
        Ok(status) => (status, [(CONTENT_TYPE, response.content_type)], response.body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
