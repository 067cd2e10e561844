//! Run with `cargo run -p actix-shop`.

use std::process::ExitCode;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer, web};
use shop::{Answer, Shop};

/// More than the shop gives requests after it was told to stop, in seconds.
const SHUTDOWN: u64 = 5;

fn main() -> ExitCode {
    shop::run(serve)
}

async fn serve(shop: Shop) -> std::io::Result<()> {
    let (listener, stopped) = (shop.listener()?, shop.stopped());
    let app = move || {
        App::new()
            .app_data(Data::new(shop.clone()))
            .service(web::scope("/webhooks").service(onramp_webhooks_actix::routes(shop.receiver())))
            .route("/points/{customer}", web::get().to(points))
            .route("/buy", web::post().to(buy))
            .route("/healthz", web::get().to(health))
    };
    HttpServer::new(app).workers(2).shutdown_timeout(SHUTDOWN).shutdown_signal(stopped).listen(listener)?.run().await
}

async fn points(shop: Data<Shop>, customer: Path<String>) -> HttpResponse {
    respond(shop.points(customer.into_inner()).await)
}

async fn buy(shop: Data<Shop>, body: Bytes) -> HttpResponse {
    respond(shop.buy(&body).await)
}

async fn health(shop: Data<Shop>) -> HttpResponse {
    respond(shop.health().await)
}

fn respond(answer: Answer) -> HttpResponse {
    match StatusCode::from_u16(answer.status) {
        Ok(status) => HttpResponse::build(status).content_type(answer.content_type).body(answer.body),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
