//! Run with `cargo run -p actix-shop`.

use std::process::ExitCode;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path, Payload, PayloadConfig};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, web};
use onramp_webhooks_server::ActixServer;
use shop::{LARGEST_REQUEST, Shop, in_time};

/// The number of threads.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    shop::run(serve)
}

async fn serve(shop: Shop) -> std::io::Result<()> {
    let server = ActixServer::new(shop.listener()?).proxy_protocol(shop.proxy_protocol()).workers(WORKERS);
    let stopped = shop.stopped();
    let app = move || {
        App::new()
            .app_data(Data::new(shop.clone()))
            .app_data(PayloadConfig::new(LARGEST_REQUEST))
            .service(web::scope("/webhooks").service(onramp_webhooks_actix::routes(shop.receiver())))
            .service(web::resource("/points/{customer}").route(web::get().to(points)).route(web::head().to(points)))
            .service(web::resource("/buy").route(web::post().to(buy)))
            .service(web::resource(["/healthz", "/healthz/"]).route(web::get().to(health)).route(web::head().to(health)))
    };
    server.serve(app, stopped).await
}

async fn points(shop: Data<Shop>, customer: Path<String>) -> HttpResponse {
    respond(shop.points(customer.into_inner()).await)
}

async fn buy(shop: Data<Shop>, request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    Ok(respond(match in_time(Bytes::from_request(&request, &mut body.into_inner())).await {
        Ok(body) => shop.buy(&body?).await,
        Err(late) => late,
    }))
}

async fn health(shop: Data<Shop>) -> HttpResponse {
    respond(shop.health().await)
}

fn respond(response: shop::Response) -> HttpResponse {
    match StatusCode::from_u16(response.status) {
        Ok(status) => HttpResponse::build(status).content_type(response.content_type).body(response.body),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
