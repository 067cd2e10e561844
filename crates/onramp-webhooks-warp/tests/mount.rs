//! The routes at every place where they can be mounted, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use onramp_webhooks_suite::mounting::{LOGIN, POSTBACK, answers_below, exchange, receiver, recorded, sandbox, status};
use onramp_webhooks_warp::{Reply, routes};
use tokio::net::TcpListener;
use tower::ServiceExt;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{Request, StatusCode};

/// Sends one request to an application that is served, and returns the whole response.
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
        answers_below(prefix, &receiver, async |path, body| send(app.clone(), "POST", path, body).await).await;
        for path in ["/elsewhere", "//kriptomat", "/kriptomats", ""] {
            let elsewhere = send(app.clone(), "POST", &format!("{prefix}{path}"), LOGIN).await;
            assert!(!elsewhere.starts_with("HTTP/1.1 200") && !elsewhere.contains("problem"), "{prefix}{path}: {elsewhere}");
        }
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
    assert_eq!(status(&send(app.clone(), "POST", "/wert/s3cret-for-examples", LOGIN).await), "200");
    assert!(send(app.clone(), "GET", "/name", "").await.ends_with("ada's shop"));
    assert!(send(app.clone(), "POST", "/wert/wrong", LOGIN).await.contains("problem+json"));
    assert!(send(app, "POST", "/nowhere", "to all").await.ends_with(r#"elsewhere b"to all""#));
}

#[tokio::test]
async fn a_body_that_a_filter_before_took_is_not_acknowledged() {
    let greedy = warp::body::bytes().and(warp::path("name")).map(|_| "ada's shop");
    let receiver = receiver();
    let app = greedy.or(routes(receiver.clone()));
    assert_eq!(status(&send(app, "POST", "/wert/s3cret-for-examples", LOGIN).await), "408");
    assert_eq!(recorded(&receiver).await, 0);
}

#[tokio::test]
async fn two_receivers_side_by_side() {
    let sandbox = sandbox();
    let production = receiver();
    let app = warp::path("webhooks").and(routes(production.clone()).or(routes(sandbox.clone())));
    assert_eq!(status(&send(app.clone(), "POST", "/webhooks/wert-sandbox/sandbox-s3cret-for-examples", LOGIN).await), "200");
    assert_eq!(status(&send(app, "POST", "/webhooks/wert/sandbox-s3cret-for-examples", LOGIN).await), "404");
    assert_eq!((recorded(&sandbox).await, recorded(&production).await), (1, 0));
}

#[tokio::test]
async fn without_an_address_only_an_endpoint_with_a_list_is_closed() {
    let service = warp::service(routes(receiver()));
    for (path, body, status) in
        [("/wert/s3cret-for-examples", LOGIN, StatusCode::OK), ("/kriptomat", POSTBACK, StatusCode::FORBIDDEN)]
    {
        let request = Request::post(path).body(body.to_owned()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
}
