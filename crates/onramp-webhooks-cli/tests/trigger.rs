//! `trigger` against a receiver, and against servers that do everything wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, State};
use onramp_webhooks::{Kriptomat, Receiver, Wert};
use onramp_webhooks_server::Server;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::program::{Ran, command, fields, run};

const SECRET: &str = "s3cret-for-the-tests-of-trigger";

/// A receiver on a port of this machine.
struct Shop {
    inbox: Arc<MemoryInbox>,
    address: SocketAddr,
}

impl Shop {
    async fn open() -> Self {
        let inbox = Arc::new(MemoryInbox::new());
        let receiver = Receiver::builder(Arc::clone(&inbox))
            .endpoint(Wert::with_path_secret(SECRET))
            .endpoint(Kriptomat::with_path_secret(SECRET))
            .build()
            .unwrap();
        let app = Router::new().nest("/webhooks", onramp_webhooks_axum::routes(receiver));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, std::future::pending());
        tokio::spawn(serving);
        Self { inbox, address }
    }

    fn url(&self, provider: &str) -> String {
        format!("http://{}/webhooks/{provider}/{SECRET}", self.address)
    }

    /// Runs the program for the endpoint of its first argument.
    async fn trigger(&self, arguments: &[&str]) -> Ran {
        let mut command = command();
        command.arg("trigger").args(arguments).args(["--to", &self.url(arguments.first().unwrap())]);
        let ran = Ran::of(command).await;
        assert!(!ran.out.contains(SECRET) && !ran.err.contains(SECRET), "the secret shows: {ran:?}");
        ran
    }

    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let ran = self.trigger(&[arguments, &["--json"]].concat()).await;
        (ran.code, ran.json())
    }

    async fn of(&self, state: State) -> u64 {
        self.inbox.counts().await.unwrap().of(state)
    }

    async fn bodies(&self) -> Vec<Value> {
        let mut bodies = Vec::new();
        for record in self.inbox.list(Filter::all().limit(10_000)).await.unwrap().records {
            let body = self.inbox.show(record.id).await.unwrap().unwrap().body.unwrap();
            bodies.push(serde_json::from_slice(&body).unwrap());
        }
        bodies.reverse();
        bodies
    }
}

#[tokio::test]
async fn a_checkout_is_sent_in_sequence_and_acknowledged() {
    let shop = Shop::open().await;
    let ran = shop.trigger(&["wert", "checkout", "--customer", "customer-42"]).await;
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{}", ran.out);
    let lines: Vec<_> = ran.out.lines().collect();
    let types = ["payment_started", "transfer_started", "order_complete"];
    assert_eq!(lines.len(), 4);
    for (line, event_type) in lines.iter().zip(types) {
        assert!(line.starts_with(event_type) && line.contains("200 in "), "{line}");
    }
    assert!(lines[3].starts_with("3 of 3 sent, 3 acknowledged; p50 "), "{}", lines[3]);
    assert!(lines[3].contains("(limit 5 s); 1 completed purchase, ") && lines[3].ends_with(" USD"), "{}", lines[3]);
    let bodies = shop.bodies().await;
    assert!(bodies.iter().map(|body| body["type"].as_str().unwrap()).eq(types));
    assert!(bodies.iter().all(|body| body["click_id"] == "customer-42" && body["order"]["id"] == bodies[0]["order"]["id"]));
}

#[tokio::test]
async fn every_event_of_the_list_is_accepted() {
    let shop = Shop::open().await;
    let list = run(&["trigger", "list", "--json"]).await;
    assert_eq!(list.code, Some(0));
    let mut sent = 0;
    for line in list.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["object"], "event");
        let (provider, name) = (event["provider"].as_str().unwrap(), event["name"].as_str().unwrap());
        let (code, summary) = shop.json(&[provider, name, "--customer", name]).await;
        assert_eq!((code, &summary["acknowledged"]), (Some(0), &summary["planned"]), "{name}: {summary}");
        sent += summary["sent"].as_u64().unwrap();
    }
    assert_eq!(shop.of(State::Pending).await, sent);
    assert_eq!(run(&["trigger", "list"]).await.out.lines().count(), list.out.lines().count());
}

#[tokio::test]
async fn many_orders_with_duplicates_in_any_sequence_are_all_received_once() {
    let shop = Shop::open().await;
    let many = ["wert", "checkout", "--count", "200", "--duplicates", "1", "--shuffle", "--seed", "7", "--at-once", "8"];
    let (code, summary) = shop.json(&many).await;
    assert_eq!((code, &summary["object"]), (Some(0), &"trigger".into()));
    assert_eq!(
        fields(&summary),
        "acknowledged completed_purchases failures interrupted latency_ms object paid planned refused seconds seed sent"
    );
    for (field, number) in [("planned", 1_200), ("sent", 1_200), ("acknowledged", 1_200), ("completed_purchases", 200)] {
        assert_eq!(summary[field], number, "{field}: {summary}");
    }
    assert_eq!((&summary["seed"], &summary["failures"]), (&"7".into(), &serde_json::json!({})));
    assert_eq!(summary["latency_ms"]["limit"], 5_000.0);
    let paid = summary["paid"][0]["amount"].as_str().unwrap();
    assert!(paid.parse::<f64>().unwrap() > 100.0 && paid.split_once('.').unwrap().1.len() == 2, "{paid}");
    assert_eq!((shop.of(State::Pending).await, shop.of(State::Conflict).await), (600, 0));
    let again = shop.json(&many).await.1;
    assert_eq!(again["paid"], summary["paid"], "the seed chooses the amounts");
    assert_eq!(shop.of(State::Pending).await, 1_200, "the ids are new");
}

#[tokio::test]
async fn outcomes_and_edits_arrive() {
    let shop = Shop::open().await;
    for outcome in ["completed", "failed", "canceled", "contract-failed"] {
        assert_eq!(shop.trigger(&["wert", "checkout", "--outcome", outcome]).await.code, Some(0));
    }
    let types: Vec<_> = shop.bodies().await.iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect();
    assert!(
        ["order_failed", "order_canceled", "tx_smart_contract_failed"].iter().all(|last| types.iter().any(|one| one == last))
    );

    let edited = Shop::open().await;
    let edits = ["--set", "amount=5.000000000000000000001", "--set-json", "extra={\"a\":[1],\"b\":2}", "--add", "note=x"];
    let known = ["kriptomat", "purchase", "--order", "uuid-7", "--customer", "c", "--unset", "extra.b"];
    assert_eq!(edited.trigger(&[&known[..], &edits].concat()).await.code, Some(0));
    let ran = edited.trigger(&["wert", "order_complete", "--order", "order-7", "--set", "order.quote_amount=99.90"]).await;
    assert!(ran.out.contains("99.90 USD"), "{}", ran.out);
    let bodies = edited.inbox.list(Filter::all()).await.unwrap().records;
    assert_eq!(bodies.len(), 2);
    let body = edited.inbox.show(bodies[1].id).await.unwrap().unwrap().body.unwrap();
    let text = str::from_utf8(&body).unwrap();
    assert!(text.contains(r#""amount":5.000000000000000000001"#), "no digit is lost: {text}");
    assert!(text.contains(r#""extra":{"a":[1]}"#) && text.contains(r#""note":"x""#) && text.contains("uuid-7"), "{text}");
}

#[tokio::test]
async fn a_conflict_is_acknowledged_and_kept() {
    for event in [["wert", "checkout"], ["kriptomat", "purchase"]] {
        let shop = Shop::open().await;
        let ran = shop.trigger(&[&event[..], &["--conflict"]].concat()).await;
        assert!(ran.code == Some(0) && ran.out.contains("1 completed purchase"), "{ran:?}");
        assert_eq!(shop.of(State::Conflict).await, 1, "{event:?}");
    }
}

#[tokio::test]
async fn forged_events_are_refused() {
    let shop = Shop::open().await;
    let ran = shop.trigger(&["wert", "checkout", "--forged"]).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("3 of 3 sent, 3 refused; ") && ran.out.contains("404 in "), "{}", ran.out);
    assert!(!ran.out.contains("purchase"), "{}", ran.out);
    assert_eq!(shop.inbox.list(Filter::all()).await.unwrap().records.len(), 0);
}

#[tokio::test]
async fn broken_requests_get_what_their_provider_needs() {
    let shop = Shop::open().await;
    for broken in ["truncated", "not-json", "too-large", "slow"] {
        for event in [["wert", "order_complete"], ["kriptomat", "purchase"]] {
            let (code, summary) = shop.json(&[&event[..], &["--broken", broken]].concat()).await;
            assert_eq!((code, &summary["acknowledged"]), (Some(0), &1.into()), "{broken} {event:?}: {summary}");
            let purchases = u64::from(broken == "slow");
            assert_eq!(summary["completed_purchases"], purchases, "{broken}");
        }
    }
    assert_eq!((shop.of(State::Quarantined).await, shop.of(State::Pending).await), (6, 2));
}

#[tokio::test]
async fn a_file_is_sent_byte_by_byte() {
    let shop = Shop::open().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let body = b"{\"type\":\"brand_new\",  \"click_id\":\"c\", \"x\": 1.10}\n";
    std::fs::write(file.path(), body).unwrap();
    let path = file.path().to_str().unwrap();
    let ran = shop.trigger(&["wert", "--file", path, "--count", "3"]).await;
    assert!(ran.code == Some(0) && ran.out.starts_with("brand_new"), "{ran:?}");
    let records = shop.inbox.list(Filter::all()).await.unwrap().records;
    assert_eq!(shop.inbox.show(records[0].id).await.unwrap().unwrap().body.unwrap(), &body[..]);
    assert_eq!(shop.trigger(&["wert", "--file", "/no/such/file"]).await.code, Some(1));
    file.as_file().set_len((16 << 20) + 1).unwrap();
    let ran = shop.trigger(&["wert", "--file", path]).await;
    assert!(ran.code == Some(1) && ran.err.contains("more than 16 MiB"), "{}", ran.err);
}

#[tokio::test]
async fn hostile_text_of_a_file_does_not_reach_the_terminal() {
    let shop = Shop::open().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"type\":\"\\u001b[2J\u{202e}x\\u0007\",\"click_id\":\"c\"}").unwrap();
    let ran = shop.trigger(&["wert", "--file", file.path().to_str().unwrap()]).await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with(r"\u{1b}[2J\u{202e}x\u{7}"), "{:?}", ran.out);
    assert!(!ran.out.contains(['\x1b', '\u{202e}', '\x07']), "{:?}", ran.out);
}

/// Answers every request on every connection with these bytes, or never.
async fn server(reply: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 65_536];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    match reply {
                        Some(b"") => return,
                        Some(reply) => drop(stream.write_all(reply).await),
                        None => {}
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn events_that_are_not_acknowledged_are_findings() {
    for (reply, failure) in [
        (Some(&b"HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n"[..]), "500"),
        (Some(b"HTTP/1.1 201 \r\ncontent-length: 0\r\n\r\n"), "201"),
        (Some(b"HTTP/1.1 301 \r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"), "301"),
        (Some(b""), "broken_off"),
        (Some(b"not http at all"), "broken_off"),
        (None, "late"),
    ] {
        let to = format!("http://{}/wert/{SECRET}", server(reply).await);
        let ran = run(&["trigger", "wert", "order_complete", "--to", &to, "--json"]).await;
        let summary = ran.json();
        assert_eq!((ran.code, &summary["failures"][failure]), (Some(3), &1.into()), "{failure}: {summary}");
        assert_eq!((&summary["acknowledged"], &summary["completed_purchases"]), (&0.into(), &0.into()), "{summary}");
    }
    let to = format!("http://{}/wert/{SECRET}", server(Some(b"HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n")).await);
    let ran = run(&["trigger", "wert", "checkout", "--to", &to]).await;
    assert!(ran.code == Some(3) && ran.out.ends_with("✗ 3 not acknowledged: replied 404\n"), "{}", ran.out);
    assert_eq!(ran.err, "  → check the path and the secret at its end\n");
    let to = format!("http://{}/wert/{SECRET}", server(Some(b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n")).await);
    let ran = run(&["trigger", "wert", "login", "--forged", "--to", &to]).await;
    assert!(ran.code == Some(3) && ran.out.contains("✗ 1 not refused: replied 200"), "{}", ran.out);
}

/// The handshake fails, because the server does not speak TLS. Its certificate would be checked next.
#[tokio::test]
async fn an_encrypted_address_is_not_posted_to_in_clear() {
    let got = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("https://{}/wert/{SECRET}", listener.local_addr().unwrap());
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            seen.lock().unwrap().extend_from_slice(&request[..read]);
            let _ = stream.write_all(b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let ran = run(&["trigger", "wert", "order_complete", "--to", &to, "--json"]).await;
    // Without certificates on the machine, no connection is made at all.
    assert!(ran.code == Some(3) && ran.json()["failures"]["no_connection"] == 1 || ran.err.contains("certificates"), "{ran:?}");
    let got = got.lock().unwrap();
    assert!(!got.windows(6).any(|text| text == b"s3cret" || text == b"POST /"), "{got:?}");
}

#[tokio::test]
async fn without_a_receiver_the_next_step_is_named() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["trigger", "wert", "checkout", "--to", &format!("http://{nobody}/wert/hush")]).await;
    assert!(ran.code == Some(1) && ran.err.contains("→ onramp-webhooks listen"), "{}", ran.err);
    let mut command = command();
    let folder = tempfile::tempdir().unwrap();
    command.args(["trigger", "wert", "checkout"]).env("XDG_RUNTIME_DIR", folder.path());
    let ran = Ran::of(command).await;
    assert!(ran.code == Some(1) && ran.err.contains("start `onramp-webhooks listen`"), "{}", ran.err);
}

#[tokio::test]
async fn money_is_not_sent_to_other_hosts_by_mistake() {
    for arguments in [
        &["--to", "http://192.0.2.1/wert/hush"][..],
        &["--to", "https://shop.example/wert/hush"],
        &["--to", "https://shop.example/wert/hush", "--allow-host", "example"],
        &["--to", "https://shop.example/wert/hush", "--allow-host", "shop.example", "--count", "334"],
        &["--to", "https://shop.example/wert/hush", "--allow-host", "shop.example", "--rate", "51/s"],
    ] {
        let ran = run(&[&["trigger", "wert", "checkout"], arguments].concat()).await;
        assert_eq!((ran.code, &*ran.out), (Some(4), ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("hush"), "{}", ran.err);
    }
}

#[tokio::test]
async fn command_lines_that_make_no_sense_are_refused() {
    for arguments in [
        &["trigger"][..],
        &["trigger", "wert"],
        &["trigger", "kriptomat"],
        &["trigger", "wert", "purchase"],
        &["trigger", "wert", "checkout", "--outcome", "perhaps"],
        &["trigger", "wert", "login", "--outcome", "failed"],
        &["trigger", "wert", "checkout", "--set", "order.quote_amont=5"],
        &["trigger", "wert", "checkout", "--add", "type=5"],
        &["trigger", "wert", "checkout", "--order", "x", "--count", "2"],
        &["trigger", "wert", "checkout", "--count", "0"],
        &["trigger", "wert", "checkout", "--at-once", "0"],
        &["trigger", "wert", "checkout", "--duplicates", "1001"],
        &["trigger", "wert", "checkout", "--rate", "fast"],
        &["trigger", "wert", "login", "--conflict"],
        &["trigger", "wert", "checkout", "--shuffle", "--pace", "real"],
        &["trigger", "wert", "login", "--to", "localhost:8080"],
        &["trigger", "wert", "login", "--allow-host", "x"],
        &["trigger", "wert", "login", "--file", "x"],
    ] {
        let ran = run(arguments).await;
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{arguments:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn printing_sends_nothing() {
    let ran = run(&["trigger", "wert", "checkout", "--print", "body", "--customer", "it's me"]).await;
    let types: Vec<_> =
        ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (ran.code, types),
        (Some(0), ["payment_started", "transfer_started", "order_complete"].map(str::to_owned).to_vec())
    );
    let ran = run(&["trigger", "wert", "login", "--print", "curl", "--customer", "it's me"]).await;
    assert!(ran.out.starts_with("curl -sS \"$WEBHOOK_URL\" -H 'content-type: application/json' --data-binary '{"), "{}", ran.out);
    assert!(ran.out.contains(r"it'\''s me"), "{}", ran.out);
    let ran = run(&["trigger", "kriptomat", "purchase", "--print", "curl", "--to", "http://192.0.2.1/x"]).await;
    assert!(ran.code == Some(0) && ran.out.starts_with("curl -sS 'http://192.0.2.1/x' "), "{ran:?}");
}

#[tokio::test]
async fn many_events_without_an_order_are_about_as_many_customers() {
    let shop = Shop::open().await;
    for event in ["login", "verification"] {
        let before = shop.of(State::Pending).await;
        let (code, summary) = shop.json(&["wert", event, "--count", "150"]).await;
        assert_eq!(code, Some(0));
        assert_eq!(shop.of(State::Pending).await - before, summary["sent"].as_u64().unwrap(), "{event}: none is a duplicate");
    }
}

#[tokio::test]
async fn a_rate_is_kept() {
    let shop = Shop::open().await;
    let (code, summary) = shop.json(&["wert", "login", "--count", "40", "--rate", "100/s"]).await;
    assert_eq!(code, Some(0));
    assert!(summary["seconds"].as_f64().unwrap() >= 0.39, "the last of 40 turns is after 390 ms: {summary}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_finishes_what_is_on_its_way_and_reports_it() {
    let shop = Shop::open().await;
    for signal in ["-INT", "-TERM"] {
        let mut command = command();
        command.args(["trigger", "wert", "checkout", "--pace", "real", "--json", "--to", &shop.url("wert")]);
        let before = shop.of(State::Pending).await;
        let child = command.spawn().unwrap();
        while shop.of(State::Pending).await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let id = child.id().unwrap().to_string();
        assert!(tokio::process::Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let ran = Ran::from(child.wait_with_output().await.unwrap());
        let summary = ran.json();
        assert_eq!((ran.code, &summary["sent"], &summary["planned"]), (Some(130), &1.into(), &3.into()), "{summary}");
        assert_eq!((&summary["acknowledged"], &summary["interrupted"]), (&1.into(), &true.into()));
    }
}
