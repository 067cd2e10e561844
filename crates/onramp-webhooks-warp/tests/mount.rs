//! Wherever the routes are mounted, the receiver answers, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use onramp_webhooks::inbox::{Counts, MemoryInbox, State as DeliveryState};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_warp::{Reply, routes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{Request, StatusCode};

const LOGIN: &str = r#"{"type":"login","click_id":"42"}"#;
const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;

fn receiver() -> Receiver {
    Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("s3cret/é"))
        .endpoint(Kriptomat::allowing("127.0.0.1".parse().unwrap()))
        .build()
        .unwrap()
}

/// Sends one request to an application that is served, and answers all that comes back.
async fn send<F, R>(app: F, method: &str, path: &str, body: &str) -> String
where
    F: Filter<Extract = (R,), Error: Into<warp::Rejection>> + Send + Sync + 'static,
    R: warp::Reply + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(app.boxed()).incoming(listener).run());
    exchange(address, method, path, body).await
}

async fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

async fn recorded(receiver: &Receiver) -> u64 {
    let counts: Counts = receiver.inbox().counts().await.unwrap();
    counts.of(DeliveryState::Pending)
}

type Mount = fn(BoxedFilter<(Reply,)>) -> BoxedFilter<(Reply,)>;

#[tokio::test]
async fn at_the_root_below_a_prefix_and_below_two() {
    let mounts: [(&str, Mount); 4] = [
        ("", |routes| routes),
        ("/webhooks", |routes| warp::path("webhooks").and(routes).boxed()),
        ("/api/v1", |routes| warp::path("api").and(warp::path("v1").and(routes)).boxed()),
        ("/shops/wert%20/hooks", |routes| {
            warp::path!("shops" / String / "hooks" / ..).and(routes).map(|_shop, reply| reply).boxed()
        }),
    ];
    for (prefix, mount) in mounts {
        let receiver = receiver();
        let app = mount(routes(receiver.clone()));
        for path in ["/wert/s3cret/%C3%A9", "/wert/s3cret%2f%c3%a9/", "/kriptomat", "/kriptomat/", "/kriptomat?a=b"] {
            let body = if path.contains("wert") { LOGIN } else { POSTBACK };
            let answer = send(app.clone(), "POST", &format!("{prefix}{path}"), body).await;
            assert!(answer.ends_with(r#"{"received":true}"#), "{prefix}{path}: {answer}");
        }
        assert_eq!(recorded(&receiver).await, 2);
        for path in ["/wert", "/wert/", "/wert/wrong", "/wert/s3cret/%C3%A9/more", "/kriptomat/wrong"] {
            let answer = send(app.clone(), "POST", &format!("{prefix}{path}"), LOGIN).await;
            assert!(
                answer.starts_with("HTTP/1.1 404") && answer.contains("application/problem+json"),
                "{prefix}{path}: {answer}"
            );
        }
        for path in ["/elsewhere", "//kriptomat", "/kriptomats", ""] {
            let elsewhere = send(app.clone(), "POST", &format!("{prefix}{path}"), LOGIN).await;
            assert!(!elsewhere.starts_with("HTTP/1.1 200") && !elsewhere.contains("problem"), "{prefix}{path}: {elsewhere}");
        }
    }
}

#[tokio::test]
async fn every_method_reaches_the_receiver() {
    for method in ["GET", "HEAD", "PUT", "OPTIONS", "TRACE", "PURGE"] {
        let answer = send(routes(receiver()), method, "/kriptomat", "").await;
        assert_eq!((status(&answer), answer.contains("allow: POST")), ("405", true), "{answer}");
    }
}

#[tokio::test]
async fn a_path_that_is_none_is_somebody_elses() {
    let app = routes(receiver()).or(warp::any().map(|| "elsewhere"));
    for (method, path) in [("OPTIONS", "*"), ("POST", "http://shop"), ("POST", "/"), ("GET", "/?kriptomat")] {
        assert!(send(app.clone(), method, path, "").await.ends_with("elsewhere"), "{method} {path}");
    }
    assert_eq!(status(&send(app, "POST", "http://shop/kriptomat", POSTBACK).await), "200");
}

#[tokio::test]
async fn beside_other_routes_before_and_after() {
    let before = warp::path!("name").and(warp::get()).map(|| "ada's shop");
    let after = warp::any().and(warp::body::bytes()).map(|body: bytes::Bytes| format!("elsewhere {body:?}"));
    let app = before.or(routes(receiver())).or(after);
    assert_eq!(status(&send(app.clone(), "POST", "/wert/s3cret/%C3%A9", LOGIN).await), "200");
    assert!(send(app.clone(), "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(send(app.clone(), "POST", "/wert/wrong", LOGIN).await.contains("problem+json"));
    assert!(send(app, "POST", "/nowhere", "to all").await.ends_with(r#"elsewhere b"to all""#));
}

#[tokio::test]
async fn a_body_that_a_filter_before_took_is_not_acknowledged() {
    let greedy = warp::body::bytes().and(warp::path("name")).map(|_| "ada's shop");
    let receiver = receiver();
    let app = greedy.or(routes(receiver.clone()));
    assert_eq!(status(&send(app, "POST", "/wert/s3cret/%C3%A9", LOGIN).await), "408");
    assert_eq!(recorded(&receiver).await, 0);
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox =
        Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("sand").named("wert-sandbox")).build().unwrap();
    let production = receiver();
    let app = warp::path("webhooks").and(routes(production.clone()).or(routes(sandbox.clone())));
    assert_eq!(status(&send(app.clone(), "POST", "/webhooks/wert-sandbox/sand", LOGIN).await), "200");
    assert_eq!(status(&send(app, "POST", "/webhooks/wert/sand", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_an_address_only_an_endpoint_with_a_list_is_closed() {
    let service = warp::service(routes(receiver()));
    for (path, body, status) in [("/wert/s3cret/%C3%A9", LOGIN, StatusCode::OK), ("/kriptomat", POSTBACK, StatusCode::FORBIDDEN)]
    {
        let request = Request::post(path).body(body.to_owned()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
}
