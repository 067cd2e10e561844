//! The routes at every place where they can be mounted, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{Data, PayloadConfig, ServiceConfig};
use actix_web::{App, HttpServer, web};
use onramp_webhooks::Receiver;
use onramp_webhooks_actix::routes;
use onramp_webhooks_suite::mounting::{LOGIN, POSTBACK, answers_below, exchange, receiver, recorded, sandbox, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Serves what `mount` makes of an application, until the test's runtime ends.
fn serve(mount: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(move || App::new().configure(mount.clone())).workers(1).disable_signals();
    tokio::spawn(server.listen(listener).unwrap().run());
    address
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
        answers_below(prefix, &receiver, async |path, body| exchange(address, "POST", path, body).await).await;
        for path in ["/elsewhere", "/wertx", "/wer"] {
            let elsewhere = exchange(address, "POST", &format!("{prefix}{path}"), "").await;
            assert!(elsewhere.starts_with("HTTP/1.1 404") && !elsewhere.contains("problem"), "{prefix}{path}: {elsewhere}");
        }
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
    assert_eq!(status(&exchange(address, "POST", "/wert/s3cret-for-examples", LOGIN).await), "200");
    assert!(exchange(address, "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(exchange(address, "GET", "/nowhere", "").await.ends_with("elsewhere"));
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox = sandbox();
    let production = receiver();
    let both = (production.clone(), sandbox.clone());
    let address = serve(move |app| _ = app.service(routes(both.0.clone())).service(routes(both.1.clone())));
    assert_eq!(status(&exchange(address, "POST", "/wert-sandbox/sandbox-s3cret-for-examples", LOGIN).await), "200");
    assert_eq!(status(&exchange(address, "POST", "/wert/sandbox-s3cret-for-examples", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_an_address_only_an_endpoint_with_a_list_is_closed() {
    let app = init_service(App::new().service(routes(receiver()))).await;
    let post = |path, body| TestRequest::post().uri(path).set_payload(body);
    let wert = post("/wert/s3cret-for-examples", LOGIN);
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
    let head = "POST /wert/s3cret-for-examples HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = str::from_utf8(answer.get(..length).unwrap()).unwrap();
    assert_eq!((status(answer), answer.matches("connection: close").count()), ("408", 1), "{answer}");
}
