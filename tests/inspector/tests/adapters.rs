//! The page and its API on every adapter, over sockets.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use onramp_webhooks::inbox::{Filter, State, find_first};
use onramp_webhooks_inspector::Inspector;
use onramp_webhooks_inspector_tests::{ADAPTERS, Shop, TOKEN};
use onramp_webhooks_server::Server;
use onramp_webhooks_testkit::adapter::{Connection, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const PREFIXES: [&str; 2] = ["/inspect", "/admin/tools/inspect"];

async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut connection = Connection::open(address).await;
    let host = headers.iter().find(|(name, _)| *name == "host").map_or("shop.example", |(_, host)| host);
    let lines: String =
        headers.iter().filter(|(name, _)| *name != "host").map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len());
    connection.send(head).await;
    connection.answer_to(method).await
}

fn from_the_page<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let page = [("content-type", "application/json"), ("x-onramp-inspector", "1"), ("origin", "https://shop.example")];
    [&page[..], more].concat()
}

#[tokio::test]
async fn an_operator_signs_in_and_replays_a_dead_letter_below_every_prefix() {
    for adapter in ADAPTERS {
        let shop = Shop::open().await;
        let inbox = shop.receiver.inbox();
        let address = adapter.serve(shop.inspector(), "127.0.0.1:0");
        for prefix in PREFIXES {
            let to = async |method, path: &str, headers: &[(&str, &str)], body: &str| {
                send(address, method, &format!("{prefix}{path}"), headers, body).await
            };
            let redirect = to("GET", "", &[], "").await;
            assert_eq!((redirect.status, redirect.header("location")), (308, Some("./inspect/")), "{adapter:?} {prefix}");
            let index = to("GET", "/", &[], "").await;
            let assets: Vec<_> = index.text().split('"').filter(|text| text.starts_with("assets/")).collect();
            assert_eq!(assets.len(), 2);
            for asset in assets {
                assert_eq!(to("GET", &format!("/{asset}"), &[], "").await.status, 200, "{adapter:?} {asset}");
            }

            to("GET", "/api/overview", &[], "").await.assert_problem(401);
            let login = to("POST", "/login", &from_the_page(&[]), &format!(r#"{{"token":"{TOKEN}"}}"#)).await;
            let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap();
            let overview = to("GET", "/api/overview", &[("cookie", cookie)], "").await;
            assert_eq!(overview.json()["title"], "Shop", "{adapter:?}");

            let dead = find_first(&**inbox, Filter::all().state(State::Dead)).await.unwrap().unwrap();
            let path = format!("/api/deliveries/{}/replay", dead.id);
            let mut foreign = from_the_page(&[("cookie", cookie)]);
            foreign[2].1 = "https://evil.example";
            to("POST", &path, &foreign, "{}").await.assert_problem(403);
            let replay = to("POST", &path, &from_the_page(&[("cookie", cookie)]), "{}").await;
            assert_eq!((replay.status, replay.json()["result"].as_str()), (200, Some("due")), "{adapter:?}");
            while inbox.show(dead.id).await.unwrap().unwrap().state != State::Handled {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_events_arrives_and_ends_by_itself() {
    let shop = Shop::open().await;
    let streams = ADAPTERS.map(|adapter| {
        let address = adapter.serve(shop.inspector(), "127.0.0.1:0");
        async move {
            let bearer = format!("Bearer {TOKEN}");
            let answer = send(address, "GET", "/inspect/api/events", &[("authorization", &bearer)], "").await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{adapter:?}");
            let text = answer.text();
            assert!(text.starts_with("retry: 500\n\nid: ") && text.contains("\nevent: overview\ndata: {"), "{adapter:?}: {text}");
        }
    });
    let [one, two, three] = streams;
    tokio::join!(one, two, three);
}

/// The end of the stream is sent before the server closes what is left open.
#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end_of_a_server() {
    let shop = Shop::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().nest_service("/inspect", onramp_webhooks_axum::page(shop.inspector()));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, async { drop(stopped.await) }));
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /inspect/api/events HTTP/1.1\r\nhost: shop.example\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("event: overview") {
        assert_ne!(connection.read_buf(&mut received).await.unwrap(), 0);
    }
    stop.send(()).unwrap();
    server.await.unwrap();
    connection.read_to_end(&mut received).await.unwrap();
    assert!(received.ends_with(b"\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&received));
}

#[tokio::test]
async fn after_ten_wrong_tokens_an_address_waits_with_wrong_ones() {
    let shop = Shop::open().await;
    for adapter in ADAPTERS {
        let address = adapter.serve(shop.inspector(), "127.0.0.1:0");
        let statuses = async |token: &str| {
            send(address, "GET", "/inspect/api/overview", &[("authorization", &format!("Bearer {token}"))], "").await.status
        };
        for _ in 0..10 {
            assert_eq!(statuses("wrong").await, 401, "{adapter:?}");
        }
        assert_eq!((statuses("wrong").await, statuses(TOKEN).await), (429, 200), "{adapter:?}");
    }
}

#[tokio::test]
async fn an_inspector_that_is_open_on_loopback_refuses_other_hosts_and_proxies() {
    let shop = Shop::open().await;
    for adapter in ADAPTERS {
        let inspector = Inspector::builder(shop.receiver.inbox().clone()).open_on_loopback().build().unwrap();
        let address = adapter.serve(inspector, "127.0.0.1:0");
        let host = address.to_string();
        let status = async |headers: &[(&str, &str)]| send(address, "GET", "/inspect/api/deliveries", headers, "").await.status;
        assert_eq!(status(&[("host", &host)]).await, 200, "{adapter:?}");
        assert_eq!(status(&[("host", "evil.example")]).await, 403, "{adapter:?}");
        for header in ["x-forwarded-for", "Forwarded", "X-Real-IP", "via"] {
            assert_eq!(status(&[("host", &host), (header, "127.0.0.1")]).await, 403, "{adapter:?} {header}");
        }
    }
}
