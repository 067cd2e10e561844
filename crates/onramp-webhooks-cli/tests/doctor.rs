//! `doctor` on inboxes, and against servers that do everything wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod operator;
mod program;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, NewDelivery, Settled};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_server::Server;
use onramp_webhooks_suite::postgres::{self, TestSchema};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::operator::Shop;
use crate::program::{Ran, fields};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The findings of a run, and its exit code.
struct Examined {
    code: Option<i32>,
    checks: Vec<Value>,
    out: String,
}

impl Examined {
    /// Returns the results of the checks with a name, and their texts.
    fn of(&self, check: &str) -> Vec<(&str, String)> {
        let found = self.checks.iter().filter(|found| found["check"] == check);
        found.map(|found| (found["result"].as_str().unwrap(), format!("{} | {}", found["detail"], found["fix"]))).collect()
    }

    /// Checks that one check has failed, and no other.
    fn fails_only(&self, check: &str, text: &str) {
        assert_eq!(self.code, Some(3), "{}", self.out);
        let failed: Vec<_> = self.checks.iter().filter(|found| found["result"] == "failed").collect();
        let [failed] = &failed[..] else { panic!("{}", self.out) };
        assert!(failed["check"] == check && failed.to_string().contains(text), "{}", self.out);
        assert!(failed["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{}", self.out);
    }
}

async fn examine(shop: &Shop, arguments: &[&str]) -> Examined {
    let mut command = shop.command(&["doctor", "--json"]);
    command.args(arguments).env("WERT_SECRET", SECRET).env("LISTEN", "0.0.0.0:8080");
    let ran = Ran::of(command).await;
    assert!(!ran.out.contains(SECRET) && ran.err.is_empty(), "{ran:?}");
    let checks: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(checks.iter().all(|check| fields(check) == "check detail fix object result"), "{}", ran.out);
    Examined { code: ran.code, checks, out: ran.out }
}

/// Makes the last delivery of an endpoint older or newer.
async fn delivery(inbox: &dyn Inbox, endpoint: &'static str, ago: Duration) {
    let body = format!(r#"{{"type":"login","click_id":"{endpoint}"}}"#);
    inbox.record(NewDelivery::new(endpoint, "wert", Timestamp::now().before(ago), body.into())).await.unwrap();
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, std::future::pending()));
    format!("http://{address}/webhooks/wert")
}

#[tokio::test]
async fn an_inbox_in_use_is_healthy() {
    for shop in [Shop::on_sqlite().await, Shop::on_postgres().await] {
        for endpoint in ["wert", "kriptomat"] {
            delivery(&*shop.inbox, endpoint, Duration::from_secs(1)).await;
        }
        let examined = examine(&shop, &[]).await;
        assert!(examined.code == Some(0) && !examined.out.contains("failed"), "{}", examined.out);
        assert_eq!(examined.of("store").len(), 1, "{}", examined.out);
        assert_eq!(examined.of("silence").len(), 2, "{}", examined.out);
        assert_eq!(examined.of("backlog")[0].0, "ok");
        let first = if shop.url.starts_with("sqlite") { "files" } else { "clock" };
        assert_eq!(examined.of(first)[0].0, "ok", "{}", examined.out);
    }
}

#[tokio::test]
async fn an_endpoint_that_receives_nothing_is_found() {
    let shop = Shop::on_sqlite().await;
    for (endpoint, ago) in [("wert", 7_200), ("other", 60)] {
        delivery(&*shop.inbox, endpoint, Duration::from_secs(ago)).await;
        shop.settle(Settled::Handled).await;
    }
    examine(&shop, &["--endpoint", "wert", "--silent-after", "1h"]).await.fails_only("silence", "wert: no delivery for 2 h");
    let examined = examine(&shop, &["--endpoint", "other", "--endpoint", "third", "--silent-after", "1h"]).await;
    let [(other, _), (third, _)] = &examined.of("silence")[..] else { panic!("{}", examined.out) };
    assert_eq!((examined.code, *other, *third), (Some(0), "ok", "warning"), "{}", examined.out);
}

#[tokio::test]
async fn a_delivery_that_no_worker_takes_is_found() {
    let shop = Shop::on_sqlite().await;
    delivery(&*shop.inbox, "wert", Duration::from_secs(7_200)).await;
    let examined = examine(&shop, &[]).await;
    examined.fails_only("worker", "Start the shop's worker");
    assert!(examined.of("backlog")[0].1.contains("the oldest is due for 2 h"), "{}", examined.out);
}

#[tokio::test]
async fn dead_letters_name_their_command() {
    let shop = Shop::on_sqlite().await;
    shop.dead("01M7BZ4Q0EXAMPLE0", "customer-42", "250.00", "no column \x1b[2J").await;
    let examined = examine(&shop, &[]).await;
    let [(result, text)] = &examined.of("deliveries")[..] else { panic!("{}", examined.out) };
    assert!(*result == "warning" && text.contains("onramp-webhooks inbox replay"), "{text}");
    assert!(!examined.out.contains('\x1b'));
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_others_can_read_are_found() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::on_sqlite().await;
    let file = shop.folder.path().join("shop.db");
    // Opening the file would make it private again, so this is found before.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    examine(&shop, &[]).await.fails_only("files", &format!("chmod 600 {}", file.display()));
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_found_and_not_created() {
    let shop = Shop::on_sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let (missing, junk) = (folder.path().join("missing.db"), folder.path().join("junk.db"));
    std::fs::write(&junk, "this is no database, and long enough for a header of one hundred bytes ".repeat(4)).unwrap();
    for file in [&missing, &junk] {
        let url = format!("sqlite://{}", file.display());
        let examined = examine(&shop, &["--database-url", &url]).await;
        assert!(examined.code == Some(3) && examined.of("store")[0].0 == "failed", "{}", examined.out);
    }
    assert!(!missing.exists());
    let examined = examine(&shop, &["--database-url", "mysql://me:hush@db/shop"]).await;
    assert!(examined.code == Some(3) && !examined.out.contains("hush"), "{}", examined.out);
    let examined = examine(&shop, &["--database-url", "postgres://me:hush@127.0.0.1:1/shop"]).await;
    assert!(examined.of("server")[0].0 == "failed" && !examined.out.contains("hush"), "{}", examined.out);
}

#[tokio::test]
async fn a_store_of_another_version_is_found() {
    let (shop, schema) = (Shop::on_sqlite().await, TestSchema::new());
    drop(schema.open(Default::default()).await);
    let mut connection = postgres::connection().await;
    let url = postgres::url();
    let arguments = ["--database-url", &url, "--schema", schema.name()];
    assert_eq!(examine(&shop, &arguments).await.code, Some(0));
    for (statement, text) in [
        ("INSERT INTO onramp.version (version, oldest) VALUES (1000, 1000)", "update the program"),
        ("DELETE FROM onramp.version WHERE version > 5", "would have to migrate it"),
    ] {
        sqlx::query(schema.sql(statement)).execute(&mut connection).await.unwrap();
        examine(&shop, &arguments).await.fails_only("store", text);
    }
}

#[tokio::test]
async fn a_receiver_is_healthy_and_records_nothing() {
    let shop = Shop::on_sqlite().await;
    let inbox = Arc::new(MemoryInbox::new());
    let receiver = Receiver::builder(Arc::clone(&inbox))
        .endpoint(Wert::with_path_secret(SECRET))
        .endpoint(Kriptomat::production())
        .build()
        .unwrap();
    let url = serve(Router::new().nest("/webhooks", onramp_webhooks_axum::routes(receiver))).await;
    // An address with its secret is not printed, and not opened by what is appended to it.
    for url in [url.clone(), url.replace("/wert", "/kriptomat"), format!("{url}/{SECRET}")] {
        let examined = examine(&shop, &["--public-url", &url]).await;
        assert_eq!(examined.code, Some(0), "{}", examined.out);
        for check in ["wrong secret", "get", "large body"] {
            assert_eq!(examined.of(check)[0].0, "ok", "{}", examined.out);
        }
    }
    assert!(inbox.list(Filter::all()).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn a_redirect_names_the_address_to_set_and_cannot_control_the_terminal() {
    let shop = Shop::on_sqlite().await;
    let elsewhere = async |uri: Uri| Redirect::permanent(&format!("https://www.shop.example{}", uri.path()));
    let url = serve(Router::new().fallback(elsewhere)).await;
    let examined = examine(&shop, &["--public-url", &format!("{url}/{SECRET}")]).await;
    examined.fails_only("redirect", "Set https://www.shop.example/webhooks/wert/…/SECRET");
    let examined = examine(&shop, &["--public-url", &url]).await;
    examined.fails_only("redirect", "Set https://www.shop.example/webhooks/wert/SECRET");
    assert!(!examined.out.contains("doctor-wrong-secret"), "{}", examined.out);

    let hostile = async || {
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://a/\u{9b}31m\u{202e}".parse().unwrap());
        (StatusCode::FOUND, headers, "\x1b[2J")
    };
    let url = serve(Router::new().fallback(hostile)).await;
    let ran = shop.run(&["doctor", "--public-url", &url]).await;
    assert!(ran.code == Some(3) && ran.out.contains("\\u{9b}31m\\u{202e}") && !ran.out.contains(['\x1b', '\u{9b}']), "{ran:?}");
}

#[tokio::test]
async fn servers_that_are_no_receiver_are_found() {
    let shop = Shop::on_sqlite().await;
    for (status, check, text) in [
        (200, "wrong secret", "acknowledged and lost"),
        (404, "wrong secret", "mount point"),
        (403, "wrong secret", "firewall"),
        (502, "wrong secret", "Start the shop"),
        (307, "redirect", "counts a redirect"),
    ] {
        let app = Router::new().fallback(async move || StatusCode::from_u16(status).unwrap());
        examine(&shop, &["--public-url", &serve(app).await]).await.fails_only(check, text);
    }
}

#[tokio::test]
async fn a_proxy_that_limits_bodies_is_found() {
    let shop = Shop::on_sqlite().await;
    let (seen, mut requests) = mpsc::unbounded_channel();
    let limited = async move |uri: Uri, body: Bytes| {
        seen.send((uri.path().to_owned(), body.clone())).unwrap();
        let not_found = (StatusCode::NOT_FOUND, r#"{"detail":"there is no such endpoint"}"#);
        if body.is_empty() { not_found.into_response() } else { StatusCode::PAYLOAD_TOO_LARGE.into_response() }
    };
    let app = Router::new().fallback(limited).layer(axum::extract::DefaultBodyLimit::disable());
    let examined = examine(&shop, &["--public-url", &serve(app).await]).await;
    examined.fails_only("large body", "client_max_body_size");
    let mut number = 0;
    while let Ok((path, body)) = requests.try_recv() {
        number += 1;
        assert!(path.starts_with("/webhooks/wert/doctor-wrong-secret-"), "{path}");
        assert!(body.is_empty() || body.len() == 1_048_576 && body.iter().all(|byte| *byte == b'x'), "it is no event");
    }
    assert_eq!(number, 3);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_found() {
    let shop = Shop::on_sqlite().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // The backlog accepts the connections, and no program reads from them.
    let url = format!("http://{address}/webhooks/wert");
    let examined = examine(&shop, &["--public-url", &url, "--timeout", "200ms"]).await;
    examined.fails_only("reply", "no reply within 200 ms");
    drop(listener);
    examine(&shop, &["--public-url", &url]).await.fails_only("connection", "Start the server");
    let url = "https://no-such-host.invalid/webhooks/wert";
    examine(&shop, &["--public-url", url]).await.fails_only("dns", "no-such-host.invalid");
}

#[tokio::test]
async fn a_server_without_tls_is_found() {
    let shop = Shop::on_sqlite().await;
    let url = serve(Router::new()).await.replace("http://", "https://");
    examine(&shop, &["--public-url", &url]).await.fails_only("tls", "certificate");
}

#[tokio::test]
async fn text_has_a_word_and_a_fix() {
    let shop = Shop::on_sqlite().await;
    let ran = shop.run(&["doctor", "--endpoint", "wert"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "! warning  secret         WERT_SECRET: is not set");
    assert!(lines[1].starts_with("    Run this command with the environment of the shop."), "{}", ran.out);
    assert!(ran.out.contains("\n✓ ok       store          sqlite://"), "{}", ran.out);
}

#[tokio::test]
async fn an_address_that_is_not_valid_is_a_usage_error_that_does_not_repeat_it() {
    let shop = Shop::on_sqlite().await;
    let ran = shop.run(&["doctor", "--public-url", "https://shop.example"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("without its secret"), "{ran:?}");
}
