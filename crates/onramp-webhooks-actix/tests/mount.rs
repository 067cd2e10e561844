//! Wherever the routes are mounted, the receiver answers, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{Data, PayloadConfig, ServiceConfig};
use actix_web::{App, HttpServer, web};
use onramp_webhooks::inbox::{Counts, MemoryInbox, State as DeliveryState};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_actix::routes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOGIN: &str = r#"{"type":"login","click_id":"42"}"#;
const POSTBACK: &str = r#"{"uuid":"1","amount":1,"asset_type":"eth","fiat_amount":"1","to_address":"0x0"}"#;

fn receiver() -> Receiver {
    Receiver::builder(MemoryInbox::new())
        .endpoint(Wert::with_path_secret("s3cret/é"))
        .endpoint(Kriptomat::allowing("127.0.0.1".parse().unwrap()))
        .build()
        .unwrap()
}

/// Serves what `mount` makes of an application, until the test's runtime ends.
fn serve(mount: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(move || App::new().configure(mount.clone())).workers(1).disable_signals();
    tokio::spawn(server.listen(listener).unwrap().run());
    address
}

/// Sends one request, and answers all that comes back.
async fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
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

type Mount = fn(&mut ServiceConfig, Receiver);

#[tokio::test]
async fn at_the_root_below_a_prefix_and_below_two() {
    let mounts: [(&str, Mount); 6] = [
        ("", |app, receiver| _ = app.service(routes(receiver))),
        ("/webhooks", |app, receiver| _ = app.service(web::scope("/webhooks").service(routes(receiver)))),
        ("/api/v1", |app, receiver| _ = app.service(web::scope("/api").service(web::scope("/v1").service(routes(receiver))))),
        ("/shops/wert%20/hooks", |app, receiver| _ = app.service(web::scope("/shops/{shop}/hooks").service(routes(receiver)))),
        ("/shops/%2Fwert%2F/wert", |app, receiver| _ = app.service(web::scope("/shops/{shop}/wert").service(routes(receiver)))),
        ("/h%6f%6fks/%C3%A9", |app, receiver| _ = app.service(web::scope("/hooks/é").service(routes(receiver)))),
    ];
    for (prefix, mount) in mounts {
        let receiver = receiver();
        let served = receiver.clone();
        let address = serve(move |app| mount(app, served.clone()));
        for path in ["/wert/s3cret/%C3%A9", "/wert/s3cret%2f%c3%a9/", "/kriptomat", "/kriptomat/", "/kriptomat?a=b"] {
            let body = if path.contains("wert") { LOGIN } else { POSTBACK };
            let answer = send(address, "POST", &format!("{prefix}{path}"), body).await;
            assert!(answer.ends_with(r#"{"received":true}"#), "{prefix}{path}: {answer}");
        }
        assert_eq!(recorded(&receiver).await, 2);
        for path in ["/wert", "/wert/", "/wert/wrong", "/wert/s3cret/%C3%A9/more", "/kriptomat/wrong"] {
            let answer = send(address, "POST", &format!("{prefix}{path}"), LOGIN).await;
            assert!(
                answer.starts_with("HTTP/1.1 404") && answer.contains("application/problem+json"),
                "{prefix}{path}: {answer}"
            );
        }
        for path in ["/elsewhere", "/wertx", "/wer"] {
            let elsewhere = send(address, "POST", &format!("{prefix}{path}"), "").await;
            assert!(elsewhere.starts_with("HTTP/1.1 404") && !elsewhere.contains("problem"), "{prefix}{path}: {elsewhere}");
        }
    }
}

#[tokio::test]
async fn every_method_reaches_the_receiver() {
    let receiver = receiver();
    let address = serve(move |app| _ = app.service(routes(receiver.clone())));
    for method in ["GET", "HEAD", "PUT", "OPTIONS", "TRACE", "PURGE"] {
        let answer = send(address, method, "/kriptomat", "").await;
        assert_eq!((status(&answer), answer.contains("allow: POST")), ("405", true), "{answer}");
    }
}

#[tokio::test]
async fn beside_other_routes_with_state_and_limits() {
    let receiver = receiver();
    let address = serve(move |app| {
        app.app_data(Data::new("ada's shop"))
            .app_data(PayloadConfig::new(8))
            .service(routes(receiver.clone()))
            .route("/name", web::get().to(async |name: Data<&'static str>| **name))
            .default_service(web::to(async || "elsewhere"));
    });
    assert_eq!(status(&send(address, "POST", "/wert/s3cret/%C3%A9", LOGIN).await), "200");
    assert!(send(address, "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(send(address, "GET", "/nowhere", "").await.ends_with("elsewhere"));
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox =
        Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("sand").named("wert-sandbox")).build().unwrap();
    let production = receiver();
    let both = (production.clone(), sandbox.clone());
    let address = serve(move |app| _ = app.service(routes(both.0.clone())).service(routes(both.1.clone())));
    assert_eq!(status(&send(address, "POST", "/wert-sandbox/sand", LOGIN).await), "200");
    assert_eq!(status(&send(address, "POST", "/wert/sand", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_an_address_only_an_endpoint_with_a_list_is_closed() {
    let app = init_service(App::new().service(routes(receiver()))).await;
    let post = |path, body| TestRequest::post().uri(path).set_payload(body);
    let wert = post("/wert/s3cret/%C3%A9", LOGIN);
    assert_eq!(call_service(&app, wert.to_request()).await.status(), 200);
    assert_eq!(call_service(&app, post("/kriptomat", POSTBACK).to_request()).await.status(), 403);
    let with_an_address = post("/kriptomat", POSTBACK).peer_addr("127.0.0.1:1".parse().unwrap());
    assert_eq!(call_service(&app, with_an_address.to_request()).await.status(), 200);
}

/// A sender whose body stopped is told that this was its last request, which actix does not read off the reply's headers.
#[tokio::test]
async fn a_body_that_stopped_ends_its_connection() {
    let receiver = receiver();
    let address = serve(move |app| _ = app.service(routes(receiver.clone())));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /wert/s3cret/%C3%A9 HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = str::from_utf8(answer.get(..length).unwrap()).unwrap();
    assert_eq!((status(answer), answer.matches("connection: close").count()), ("408", 1), "{answer}");
}
