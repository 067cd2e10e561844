//! The routes at every place where they can be mounted, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use onramp_webhooks_axum::routes;
use onramp_webhooks_suite::mounting::{LOGIN, POSTBACK, answers_below, exchange, receiver, recorded, sandbox, status};
use tokio::net::TcpListener;

/// Sends one request to an application that is served with its clients' addresses, and returns the whole response.
async fn send(app: Router, method: &str, path: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });
    exchange(address, method, path, body).await
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
        answers_below(prefix, &receiver, async |path, body| send(app.clone(), "POST", path, body).await).await;
        let elsewhere = send(app, "POST", &format!("{prefix}/elsewhere"), LOGIN).await;
        assert!(elsewhere.starts_with("HTTP/1.1 404") && !elsewhere.contains("problem"), "{elsewhere}");
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
    assert_eq!(status(&send(app.clone(), "POST", "/wert/s3cret-for-examples", LOGIN).await), "200");
    assert!(send(app.clone(), "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(send(app, "GET", "/nowhere", "").await.ends_with("elsewhere"));
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox = sandbox();
    let production = receiver();
    let app = routes(production.clone()).merge(routes(sandbox.clone()));
    assert_eq!(status(&send(app.clone(), "POST", "/wert-sandbox/sandbox-s3cret-for-examples", LOGIN).await), "200");
    assert_eq!(status(&send(app, "POST", "/wert/sandbox-s3cret-for-examples", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_connect_info_only_an_endpoint_with_a_list_is_closed() {
    let app = routes(receiver());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    assert_eq!(status(&exchange(address, "POST", "/wert/s3cret-for-examples", LOGIN).await), "200");
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
