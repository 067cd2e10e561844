//! Cases that only warp has: wrappers that take the body, and filters that run inside of filters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use onramp_webhooks::client_ip::ClientIp;
use onramp_webhooks::gate::AllowListGate;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_suite::mounting::{LOGIN, POSTBACK, begin};
use onramp_webhooks_warp::{Client, Reply, Webhook, allow_list, health, idempotency, routes};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use warp::http::Response;
use warp::{Filter, Rejection};

const KEY: &str = "idempotency-key: \"1\"\r\n";

async fn serve<F, R>(app: F) -> SocketAddr
where
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(app.boxed()).incoming(listener).run());
    address
}

async fn send(address: SocketAddr, line: &str, headers: &str, body: &str) -> String {
    let mut answer = String::new();
    begin(address, line, headers, body).await.read_to_string(&mut answer).await.unwrap();
    answer
}

fn once() -> Idempotency {
    Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).build().unwrap()
}

fn gate(allowed: &str) -> AllowListGate {
    AllowListGate::new(allowed.parse().unwrap(), ClientIp::peer_only())
}

/// Answers how often it has run, what it was sent, and what is left of its path.
fn counting() -> impl Filter<Extract = (Response<String>,), Error = Rejection> + Clone + Send + Sync {
    let runs = Arc::new(AtomicUsize::new(0));
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let pieces = warp::path::param::<String>().and(warp::path::end()).and(query).and(warp::body::bytes());
    warp::post().and(pieces).map(move |id: String, query: String, body: Bytes| {
        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!("run {run} of {id}?{query} with {body:?}");
        Response::builder().status(201).header("set-cookie", "a=1").header("set-cookie", "b=2").body(body).unwrap()
    })
}

#[tokio::test]
async fn a_request_runs_once_below_its_path_with_all_of_its_own() {
    let orders = warp::path!("shops" / String / "orders" / ..).map(|_shop| ()).untuple_one();
    let address = serve(idempotency(&once(), orders, counting())).await;
    let first = send(address, "POST /shops/a%20b/orders/J%C3%B6rg?x=%20", KEY, "hello").await;
    assert!(first.starts_with("HTTP/1.1 201"), "{first}");
    assert!(first.contains("set-cookie: a=1\r\nset-cookie: b=2\r\n") && first.contains("content-length:"), "{first}");
    assert!(first.ends_with(r#"run 1 of J%C3%B6rg?x=%20 with b"hello""#), "{first}");
    let again = send(address, "POST /shops/a%20b/orders/J%C3%B6rg?x=%20", KEY, "hello").await;
    assert!(again.starts_with("HTTP/1.1 201") && again.contains("idempotent-replayed: true\r\n"), "{again}");
    assert!(again.ends_with(r#"run 1 of J%C3%B6rg?x=%20 with b"hello""#), "{again}");
    let elsewhere = send(address, "POST /shops/c/orders/J%C3%B6rg?x=%20", KEY, "hello").await;
    assert!(elsewhere.contains("run 2"), "the whole path is part of the key: {elsewhere}");
    let other = send(address, "POST /shops/a%20b/orders/J%C3%B6rg?x=%20", KEY, "other").await;
    assert!(other.starts_with("HTTP/1.1 422"), "{other}");
    let keyless = send(address, "POST /shops/a%20b/orders/1", "", "hello").await;
    assert!(keyless.starts_with("HTTP/1.1 400"), "{keyless}");
}

#[tokio::test]
async fn what_is_not_covered_passes_untouched_and_what_is_covered_is_answered() {
    let peer = warp::addr::remote().and(warp::get()).map(|peer: Option<SocketAddr>| peer.unwrap().ip().to_string());
    let orders = idempotency(&once(), warp::path("orders"), counting().or(peer));
    let after = warp::any().and(warp::body::bytes()).map(|body: Bytes| format!("after {body:?}"));
    let address = serve(orders.or(after)).await;
    assert!(send(address, "GET /orders/1", KEY, "").await.ends_with("127.0.0.1"));
    assert!(send(address, "PUT /orders/1", KEY, "put").await.ends_with(r#"after b"put""#));
    assert!(send(address, "POST /orders/1/more", KEY, "post").await.starts_with("HTTP/1.1 405"));
    assert!(send(address, "POST /nowhere", KEY, "post").await.ends_with(r#"after b"post""#));
}

#[tokio::test]
async fn a_streamed_reply_is_kept_and_one_that_is_too_large_is_passed_on() {
    let streamed = |chunks: usize| warp::reply::stream(stream::iter(vec![Ok::<_, std::fmt::Error>("0123456789"); chunks]));
    let orders = warp::path!(usize).map(streamed);
    let limited = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).reply_limit(64).build().unwrap();
    let address = serve(idempotency(&limited, warp::any(), orders)).await;
    assert!(send(address, "POST /2", KEY, "").await.ends_with("01234567890123456789"));
    assert!(send(address, "POST /2", KEY, "").await.ends_with("01234567890123456789"));
    let large = send(address, "POST /10", KEY, "").await;
    assert_eq!(large.matches("0123456789").count(), 10, "{large}");
    assert!(send(address, "POST /10", KEY, "").await.starts_with("HTTP/1.1 409"));
}

#[tokio::test]
async fn who_is_denied_is_answered_and_who_is_let_in_may_be_rejected() {
    let app = |allowed: &str| {
        let admin = warp::path::end().and(warp::body::bytes()).map(|body: Bytes| format!("hello {body:?}"));
        allow_list(&gate(allowed), warp::path("admin"), admin)
            .or(warp::any().and(warp::body::bytes()).map(|body: Bytes| format!("after {body:?}")))
    };
    let (open, closed) = (serve(app("127.0.0.1")).await, serve(app("192.0.2.1")).await);
    assert!(send(open, "POST /admin", "", "me").await.ends_with(r#"hello b"me""#));
    assert!(send(open, "POST /admin/more", "", "me").await.ends_with(r#"after b"me""#));
    assert!(send(closed, "POST /else", "", "me").await.ends_with(r#"after b"me""#));
    for path in ["/admin", "/admin/more"] {
        let denied = send(closed, &format!("POST {path}"), "", "me").await;
        assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("application/problem+json"), "{denied}");
    }
}

#[tokio::test]
async fn a_denied_client_is_denied_at_the_guarded_path_only() {
    async fn show(client: Result<Client, Reply>) -> Result<String, Reply> {
        Ok(client?.0.address.to_string())
    }
    let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build().unwrap();
    let app = |allowed: &str| {
        let gate = gate(allowed);
        let admin = allow_list(&gate, warp::path!("admin"), warp::get().map(|| "hello"));
        let orders = idempotency(&once(), warp::path!("orders"), warp::post().map(|| "ordered"));
        let show = warp::path!("client").and(Client::filter(&gate)).then(show);
        let healthz = warp::path!("healthz").and(health(receiver.clone()));
        admin.or(orders).or(show).or(healthz).or(routes(receiver.clone()))
    };
    let (open, closed) = (serve(app("127.0.0.1")).await, serve(app("192.0.2.1")).await);
    assert!(send(open, "GET /admin", "", "").await.ends_with("hello"));
    assert!(send(open, "GET /client", "", "").await.ends_with("127.0.0.1"));
    for path in ["/admin", "/client"] {
        let denied = send(closed, &format!("GET {path}"), "", "").await;
        assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("application/problem+json"), "{denied}");
    }
    assert!(send(closed, "POST /wert/s3cret-for-examples", "", LOGIN).await.starts_with("HTTP/1.1 200"));
    assert!(send(closed, "GET /healthz", "", "").await.contains(r#""healthy":true"#));
    let head = send(closed, "HEAD /healthz", "", "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn one_wrapper_goes_around_another() {
    let twice = idempotency(&once(), warp::any(), idempotency(&once(), warp::any(), counting()));
    let gate = gate("127.0.0.1");
    let address = serve(allow_list(&gate, warp::any(), twice)).await;
    assert!(send(address, "POST /1", KEY, "").await.contains("run 1"));
    assert!(send(address, "POST /1", KEY, "").await.contains("run 1"));
    gate.replace("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
    assert!(send(address, "POST /1", KEY, "").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn extractors_hand_out_events_or_the_answer() {
    async fn wert(webhook: Result<Webhook<Wert>, Reply>) -> Result<String, Reply> {
        Ok(webhook?.0.map_or_else(|unreadable| unreadable.reason().to_owned(), |event| event.payload.type_name().to_owned()))
    }
    async fn kriptomat(webhook: Result<Webhook<Kriptomat>, Reply>) -> Result<String, Reply> {
        Ok(webhook?.0?.uuid.as_str().to_owned())
    }
    let wert = warp::path!("wert").and(Webhook::<Wert>::filter()).then(wert);
    let kriptomat = warp::path!("kriptomat").and(Webhook::<Kriptomat>::filter()).then(kriptomat);
    let address = serve(wert.or(kriptomat).or(warp::any().map(|| "after"))).await;
    assert!(send(address, "POST /wert", "", LOGIN).await.ends_with("\r\n\r\nlogin"));
    assert!(send(address, "POST /wert", "", "{").await.ends_with("not JSON: line 1, column 1"));
    assert!(send(address, "POST /kriptomat", "", POSTBACK).await.ends_with("\r\n\r\n1"));
    let refused = send(address, "POST /kriptomat", "", "{").await;
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("application/problem+json"), "{refused}");
}
