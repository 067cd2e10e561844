//! Wherever the routes are mounted, the receiver answers, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use onramp_webhooks::inbox::{Counts, MemoryInbox, State as DeliveryState};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_axum::routes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LOGIN: &str = r#"{"type":"login","click_id":"42"}"#;
const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;

fn receiver() -> Receiver {
    Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("s3cret/é"))
        .endpoint(Kriptomat::allowing("127.0.0.1".parse().unwrap()))
        .build()
        .unwrap()
}

/// Sends one request to an application that is served with its clients' addresses, and answers all that comes back.
async fn send(app: Router, method: &str, path: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });
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

type Mount = fn(Router) -> Router;

#[tokio::test]
async fn at_the_root_below_a_prefix_and_below_two() {
    let mounts: [(&str, Mount); 5] = [
        ("", |routes| Router::new().merge(routes)),
        ("/webhooks", |routes| Router::new().nest("/webhooks", routes)),
        ("/webhooks", |routes| Router::new().nest("/webhooks/", routes)),
        ("/api/v1", |routes| Router::new().nest("/api", Router::new().nest("/v1", routes))),
        ("/shops/wert%20/hooks", |routes| Router::new().nest("/shops/{shop}/hooks", routes)),
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
        let elsewhere = send(app, "POST", &format!("{prefix}/elsewhere"), LOGIN).await;
        assert!(elsewhere.starts_with("HTTP/1.1 404") && !elsewhere.contains("problem"), "{elsewhere}");
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
async fn beside_other_routes_with_state_and_layers() {
    let app = Router::new()
        .route("/name", get(async |State(name): State<&'static str>| name))
        .merge(routes(receiver()))
        .fallback(async || "elsewhere")
        .layer(DefaultBodyLimit::max(8))
        .with_state("ada's shop");
    assert_eq!(status(&send(app.clone(), "POST", "/wert/s3cret/%C3%A9", LOGIN).await), "200");
    assert!(send(app.clone(), "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(send(app, "GET", "/nowhere", "").await.ends_with("elsewhere"));
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox =
        Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("sand").named("wert-sandbox")).build().unwrap();
    let production = receiver();
    let app = routes(production.clone()).merge(routes(sandbox.clone()));
    assert_eq!(status(&send(app.clone(), "POST", "/wert-sandbox/sand", LOGIN).await), "200");
    assert_eq!(status(&send(app, "POST", "/wert/sand", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_connect_info_only_an_endpoint_with_a_list_is_closed() {
    let app = routes(receiver());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    assert_eq!(status(&exchange(address, "POST", "/wert/s3cret/%C3%A9", LOGIN).await), "200");
    assert_eq!(status(&exchange(address, "POST", "/kriptomat", POSTBACK).await), "403");
}

#[tokio::test]
async fn a_mocked_address_counts_only_where_there_is_no_real_one() {
    let mocked = |address: &str| routes(receiver()).layer(MockConnectInfo(address.parse::<SocketAddr>().unwrap()));
    assert_eq!(status(&send(mocked("192.0.2.1:1"), "POST", "/kriptomat", POSTBACK).await), "200");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = mocked("127.0.0.1:1");
    tokio::spawn(async { axum::serve(listener, app).await });
    assert_eq!(status(&exchange(address, "POST", "/kriptomat", POSTBACK).await), "200");
}
