//! Cases that only actix has: errors of middleware, request extensions, and bodies that know their size.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody, SizedStream};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::error::{ErrorBadGateway, InternalError};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, SET_COOKIE};
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};
use actix_web::web::{self, Bytes, ReqData};
use actix_web::{App, Error, HttpResponse};
use futures_util::stream::{self, Stream};
use onramp_webhooks::client_ip::{Client, ClientIp};
use onramp_webhooks::gate::AllowListGate;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks_actix::core::{self, Kriptomat, Wert};
use onramp_webhooks_actix::{Reply, Webhook, allow_list, idempotency};

/// The largest reply that is kept, in bytes.
const LIMIT: usize = 20;

fn once() -> Idempotency {
    Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).reply_limit(LIMIT).build().unwrap()
}

fn order(key: &str) -> TestRequest {
    TestRequest::post().uri("/orders").insert_header(("idempotency-key", key)).set_payload("a coffee")
}

fn replayed(response: &ServiceResponse<impl MessageBody>) -> bool {
    response.headers().contains_key("idempotent-replayed")
}

/// The first reply and the next one, of a route that answers with `body`.
async fn twice(body: fn() -> BoxBody) -> [ServiceResponse; 2] {
    let answer = move || ready(HttpResponse::Created().insert_header((SET_COOKIE, "a=b")).body(body()));
    let app = App::new().route("/orders", web::post().to(answer)).wrap(idempotency(&once()));
    let app = init_service(app).await;
    [order("1").send_request(&app).await, order("1").send_request(&app).await]
}

#[tokio::test]
async fn bodies_keep_their_size() {
    let whole = twice(|| BoxBody::new("a coffee")).await;
    assert_eq!(whole.map(|response| response.response().body().size()), [BodySize::Sized(8), BodySize::Sized(8)]);

    let [first, next] = twice(|| BoxBody::new(NoBody::new())).await;
    assert_eq!((first.response().body().size(), replayed(&next)), (BodySize::None, true));

    let [first, next] = twice(|| BoxBody::new(SizedStream::new(23, chunks()))).await;
    assert_eq!((first.response().body().size(), next.status().as_u16()), (BodySize::Sized(23), 409));
    assert_eq!(read_body(first).await, "a coffee, black and hot");
}

fn chunks() -> impl Stream<Item = Result<Bytes, Error>> {
    stream::iter(["a coffee, ", "black and ", "hot"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))))
}

/// Returns how often a route runs for two requests when a middleware turns its first response into an error.
async fn runs_behind_an_error(error: fn() -> Error) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let app = App::new()
        .route("/orders", web::post().to(async || "ordered"))
        .wrap_fn(move |request, route| {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            let answered = route.call(request);
            async move { if first { Err(error()) } else { answered.await } }
        })
        .wrap(idempotency(&once()));
    let app = init_service(app).await;
    let failed = try_call_service(&app, order("1").to_request()).await.unwrap_err();
    assert_eq!(failed.error_response().status(), error().error_response().status());
    assert!(order("1").send_request(&app).await.status().is_success());
    runs.load(Ordering::Relaxed)
}

#[tokio::test]
async fn an_error_of_middleware_counts_as_what_it_answers() {
    assert_eq!(runs_behind_an_error(|| ErrorBadGateway("not now")).await, 2);
    assert_eq!(runs_behind_an_error(|| InternalError::new("done", StatusCode::OK).into()).await, 1);
    assert_eq!(runs_behind_an_error(|| Reply(core::Reply::received()).into()).await, 1);
    assert_eq!(runs_behind_an_error(|| Reply(core::Reply::try_again()).into()).await, 2);
}

#[tokio::test]
async fn an_error_of_a_handler_frees_the_key() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let route = move || {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        ready(if first { Err(ErrorBadGateway("not now")) } else { Ok("ordered") })
    };
    let app = init_service(App::new().route("/orders", web::post().to(route)).wrap(idempotency(&once()))).await;
    for status in [502, 200, 200] {
        assert_eq!(order("1").send_request(&app).await.status(), status);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_allow_list_tells_the_route_who_came() {
    let gate = AllowListGate::new("192.0.2.0/24".parse().unwrap(), ClientIp::peer_only());
    let app = App::new()
        .route("/admin", web::get().to(async |client: ReqData<Client>| client.address.to_string()))
        .wrap(allow_list(&gate));
    let app = init_service(app).await;
    let from = |peer: &str| TestRequest::get().uri("/admin").peer_addr(peer.parse().unwrap()).send_request(&app);
    assert_eq!(read_body(from("192.0.2.7:1").await).await, "192.0.2.7");
    for denied in [from("203.0.113.7:1").await, TestRequest::get().uri("/admin").send_request(&app).await] {
        assert_eq!(denied.status(), 403);
        assert_eq!(denied.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
    }
}

#[tokio::test]
async fn extractors_read_past_the_limits_of_actix_and_refuse_in_the_words_of_the_core() {
    let app = App::new()
        .app_data(web::PayloadConfig::new(8))
        .route("/wert", web::post().to(async |Webhook(event): Webhook<Wert>| event.map_or_else(|_| "unreadable", |_| "read")))
        .route(
            "/kriptomat",
            web::post().to(async |Webhook(postback): Webhook<Kriptomat>| postback.map(|_| "read").map_err(Reply::from)),
        );
    let app = init_service(app).await;
    let post = |path: &str, body: &'static str| TestRequest::post().uri(path).set_payload(body).send_request(&app);
    assert_eq!(read_body(post("/wert", r#"{"type":"login","click_id":"42"}"#).await).await, "read");
    assert_eq!(read_body(post("/wert", "{").await).await, "unreadable");
    let refused = post("/kriptomat", "{").await;
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
}
