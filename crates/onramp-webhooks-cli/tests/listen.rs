//! `listen` against senders and forward targets of every kind.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use onramp_webhooks::inbox::{Filter, Inbox, NewDelivery, State as DeliveryState};
use onramp_webhooks_sqlite::{SqliteInbox, rusqlite};
use onramp_webhooks_suite::postgres::{self, TestSchema};
use onramp_webhooks_testkit::events::{Postback, WertOrder};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::program::{Ran, command, fields};

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for the inbox and for the file by which `trigger` finds the receiver.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn inbox(&self) -> PathBuf {
        self.0.path().join("onramp.db")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(arguments).current_dir(self.0.path()).env("XDG_RUNTIME_DIR", self.0.path());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments)).await
    }

    async fn listen(&self, arguments: &[&str]) -> Listening {
        let mut command = self.command(&["listen", "--listen", "127.0.0.1:0", "--json"]);
        command.args(arguments);
        Listening::start(command).await
    }

    /// Sends events to the receiver that is running.
    async fn trigger(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(&[&["trigger"], arguments].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    }
}

/// A running `listen`, with the objects that it has written so far.
struct Listening {
    child: Child,
    objects: Arc<Mutex<Vec<Value>>>,
    reading: JoinHandle<()>,
}

impl Listening {
    async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let objects = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&objects);
        let reading = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                written.lock().unwrap().push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
            }
        });
        let mut listening = Self { child, objects, reading };
        if listening.until(|objects| !objects.is_empty()).await.is_err() {
            panic!("{:?}", listening.ended().await);
        }
        listening
    }

    fn first(&self) -> Value {
        self.objects.lock().unwrap()[0].clone()
    }

    fn url(&self, endpoint: &str) -> String {
        self.first()[endpoint].as_str().unwrap().to_owned()
    }

    /// Waits until the objects meet a condition.
    async fn until(&mut self, happened: impl Fn(&[Value]) -> bool) -> Result<(), ()> {
        let waiting = async {
            while !happened(&self.objects.lock().unwrap()) {
                if self.child.try_wait().unwrap().is_some() && self.reading.is_finished() {
                    return Err(());
                }
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{:#?}", self.objects.lock().unwrap()))
    }

    /// Waits until `number` objects have this outcome, and returns them.
    async fn outcomes(&mut self, outcome: &str, number: usize) -> Vec<Value> {
        let of = |objects: &[Value]| objects.iter().filter(|object| object["outcome"] == outcome).cloned().collect::<Vec<_>>();
        self.until(|objects| of(objects).len() >= number).await.unwrap();
        of(&self.objects.lock().unwrap())
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }

    async fn ended(mut self) -> Ran {
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        let mut stderr = Vec::new();
        self.child.stderr.take().unwrap().read_to_end(&mut stderr).await.unwrap();
        self.reading.await.unwrap();
        Ran::from(Output { status, stdout: Vec::new(), stderr })
    }

    async fn stop(self) -> Ran {
        self.signal("-INT").await;
        self.ended().await
    }
}

/// A request that a target got.
#[derive(Clone)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }
}

/// A server that answers each request as it is told, and otherwise with 204.
#[derive(Clone)]
struct Target {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

enum Answer {
    Status(u16, &'static [(&'static str, &'static str)], &'static str),
    Never,
    Gigabyte,
    /// A response whose body never ends, a byte each second.
    Endless,
}

impl Target {
    async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let url = format!("http://{}/purchases", listener.local_addr().unwrap());
        let target = Self { url, got: Arc::default(), answers: Arc::default() };
        let app = Router::new().fallback(answer).with_state(target.clone());
        tokio::spawn(async move { axum_serve(listener, app).await });
        target
    }

    /// Answers the next requests with these.
    fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().splice(0..0, answers.into_iter().collect::<Vec<_>>().into_iter().rev());
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn axum_serve(listener: TcpListener, app: Router) {
    onramp_webhooks_server::Server::new(listener).serve(app, |address| address, std::future::pending()).await;
}

async fn answer(State(target): State<Target>, headers: HeaderMap, body: Bytes) -> Response {
    target.got.lock().unwrap().push(Got { headers, body });
    let answer = target.answers.lock().unwrap().pop();
    let endless = |pause: Duration, piece: &'static [u8], number: usize| {
        let pieces = futures_util::stream::unfold(0, move |sent| async move {
            sleep(pause).await;
            (sent < number).then_some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), sent + 1))
        });
        Body::from_stream(pieces).into_response()
    };
    match answer {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Answer::Status(status, headers, text)) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
            headers.iter().for_each(|(name, value)| drop(response.headers_mut().insert(*name, value.parse().unwrap())));
            response
        }
        Some(Answer::Never) => std::future::pending().await,
        Some(Answer::Gigabyte) => endless(Duration::ZERO, &[b'x'; 10_000], 100_000),
        Some(Answer::Endless) => endless(Duration::from_secs(1), b"x", usize::MAX),
    }
}

fn status(status: u16) -> Answer {
    Answer::Status(status, &[], "")
}

#[tokio::test]
async fn events_are_shown_and_forwarded_as_they_arrive() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut listen = home.listen(&["--forward-to", &target.url, "--header", "authorization: Bearer t"]).await;
    let first = listen.first();
    assert_eq!(
        (&first["object"], &first["inbox"], &first["newest_id"]),
        (&"listen".into(), &"sqlite://onramp.db".into(), &Value::Null)
    );
    home.trigger(&["wert", "order_complete", "--order", "order-7", "--duplicates", "1"]).await;
    home.trigger(&["kriptomat", "purchase"]).await;
    let handled = listen.outcomes("handled", 2).await;
    assert!(handled.iter().all(|attempt| attempt["status"] == 204 && attempt["attempt"] == 1), "{handled:?}");
    let received = listen.outcomes("received", 2).await;
    assert_eq!(fields(&first), "address forward_to inbox inspector kriptomat newest_id object wert");
    assert_eq!(fields(&handled[0]), "attempt cause due_at id note object outcome status time took_ms");
    assert_eq!(fields(&received[0]), "bought endpoint first_id id object order outcome paid reason status time took_ms type");
    assert_eq!(
        (&received[0]["type"], &received[0]["order"], &received[0]["status"]),
        (&"order_complete".into(), &"order-7".into(), &200.into())
    );
    assert_eq!(
        (&received[0]["paid"]["currency"], &received[0]["id"], &received[0]["endpoint"]),
        (&"USD".into(), &"1".into(), &"wert".into())
    );
    assert_eq!(listen.outcomes("duplicate", 1).await[0]["id"], "1");

    let got = target.got();
    assert_eq!(got.len(), 2, "a duplicate is not forwarded");
    let wert = got.iter().find(|got| got.header("onramp-provider") == "wert").unwrap();
    for (name, value) in [
        ("content-type", "application/json"),
        ("idempotency-key", "wert/order/order-7/order_complete"),
        ("onramp-delivery", "1"),
        ("onramp-attempt", "1"),
        ("onramp-endpoint", "wert"),
        ("onramp-type", "order_complete"),
        ("onramp-stale", "false"),
        ("onramp-synthetic", "false"),
        ("authorization", "Bearer t"),
    ] {
        assert_eq!(wert.header(name), value);
    }
    assert!(wert.header("onramp-received-at").ends_with('Z') && !wert.headers.contains_key("webhook-signature"));
    let ran = listen.stop().await;
    assert_eq!((ran.code, &*ran.err), (Some(0), "stopping\n"));
    let inbox = SqliteInbox::open(home.inbox()).await.unwrap();
    assert_eq!(
        inbox.show(handled[0]["id"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap().body.unwrap(),
        got[0].body
    );
}

#[tokio::test]
async fn signatures_are_those_of_standard_webhooks() {
    let (home, target) = (Home::new(), Target::start().await);
    let key = [7_u8; 24];
    let mut command = home.command(&["listen", "--listen", "127.0.0.1:0", "--json", "--forward-to", &target.url]);
    command.env("FORWARD_SECRET", format!("whsec_{}", STANDARD.encode(key)));
    let mut listen = Listening::start(command).await;
    home.trigger(&["wert", "test"]).await;
    listen.outcomes("handled", 1).await;
    let got = target.got().pop().unwrap();
    let (id, time) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert_eq!((id, id), ("wert/1", got.header("idempotency-key")), "a test has no key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&got.body);
    assert_eq!(got.header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    listen.stop().await;
}

#[tokio::test]
async fn each_answer_of_the_target_has_its_consequence() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut listen = home.listen(&["--forward-to", &target.url, "--timeout", "300ms"]).await;
    for (answers, outcome, note) in [
        (vec![status(500)], "retrying", "500"),
        (vec![status(404)], "retrying", "404"),
        (vec![status(429)], "retrying", "429"),
        (vec![Answer::Status(301, &[("location", "/elsewhere")], "")], "retrying", "301: redirects are not followed"),
        (vec![Answer::Status(400, &[], "{\"error\":\"no such user\"}")], "retrying", "400 {\"error\":\"no such user\"}"),
        (vec![Answer::Never], "retrying", "no response within 0.3 s"),
        (vec![Answer::Status(425, &[("retry-after", "1")], "not yet")], "parked", "425 not yet"),
        (vec![Answer::Status(429, &[("retry-after", "1")], "")], "parked", "429"),
        (vec![Answer::Status(503, &[("retry-after", "1")], "")], "parked", "503"),
        (vec![Answer::Status(410, &[], "gone")], "dead", "410 gone"),
    ] {
        let before = listen.objects.lock().unwrap().len();
        target.answer(answers);
        home.trigger(&["wert", "order_failed"]).await;
        let ends = if outcome == "dead" { "dead" } else { "handled" };
        listen.until(|objects| objects[before..].iter().any(|object| object["outcome"] == ends)).await.unwrap();
        let objects = listen.objects.lock().unwrap()[before..].to_vec();
        let found = objects.iter().find(|object| object["outcome"] == outcome).unwrap_or_else(|| panic!("{note}: {objects:#?}"));
        assert!(found["note"].as_str().unwrap().starts_with(note), "{note}: {found}");
    }
    assert_eq!(listen.outcomes("dead", 1).await[0]["cause"], "refused by the handler");
    listen.stop().await;
}

#[tokio::test]
async fn a_response_of_a_gigabyte_or_without_an_end_is_not_read() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut listen = home.listen(&["--forward-to", &target.url]).await;
    target.answer([Answer::Gigabyte, Answer::Endless]);
    home.trigger(&["wert", "order_failed", "--count", "2"]).await;
    let handled = listen.outcomes("handled", 2).await;
    assert!(handled.iter().all(|attempt| attempt["status"] == 200 && attempt["took_ms"].as_f64().unwrap() < 10_000.0));
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string(format!("/proc/{}/status", listen.child.id().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().strip_suffix(" kB").unwrap();
        assert!(peak.parse::<u64>().unwrap() < 200_000, "{peak} kB");
    }
    listen.stop().await;
}

#[tokio::test]
async fn a_restart_forwards_what_was_left() {
    let home = Home::new();
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let url = format!("http://{address}/purchases");
    let mut listen = home.listen(&["--forward-to", &url]).await;
    home.trigger(&["wert", "checkout"]).await;
    let retrying = listen.outcomes("retrying", 3).await;
    assert!(retrying[0]["note"].as_str().unwrap().contains("onnect"), "{}", retrying[0]);
    let addresses = listen.url("wert");
    assert_eq!(listen.stop().await.code, Some(0));

    let target = Target::on(TcpListener::bind(address).await.unwrap());
    let mut listen = home.listen(&["--forward-to", &url]).await;
    listen.outcomes("handled", 3).await;
    assert_eq!(target.got().len(), 3);
    let secret = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(secret(&listen.url("wert")), secret(&addresses), "the address at the provider stays valid");
    listen.stop().await;
}

#[tokio::test]
async fn kills_while_it_forwards_lose_nothing() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut sent = 0;
    for _ in 0..12 {
        target.answer((0..16).map(|_| Answer::Never));
        let mut listen = home.listen(&["--forward-to", &target.url]).await;
        home.trigger(&["wert", "order_complete", "--count", "40"]).await;
        sent += 40;
        let before = target.got().len();
        listen.until(|_| target.got().len() > before + 16 || target.answers.lock().unwrap().is_empty()).await.unwrap();
        listen.child.kill().await.unwrap();
        target.answers.lock().unwrap().clear();
    }
    let listen = home.listen(&["--forward-to", &target.url]).await;
    let keys = || target.got().iter().map(|got| got.header("idempotency-key").to_owned()).collect::<BTreeSet<_>>().len();
    let inbox = SqliteInbox::open(home.inbox()).await.unwrap();
    let handled = async {
        while inbox.counts().await.unwrap().of(DeliveryState::Handled) < sent {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, handled).await.unwrap();
    assert_eq!(keys() as u64, sent, "each event reached the target");
    drop(inbox);
    assert_eq!(listen.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_signal_stops_it_cleanly_and_a_second_one_at_once() {
    let (home, target) = (Home::new(), Target::start().await);
    for signal in ["-INT", "-TERM"] {
        let mut listen = home.listen(&["--forward-to", &target.url]).await;
        home.trigger(&["wert", "login", "--customer", signal.trim_start_matches('-')]).await;
        listen.outcomes("handled", 1).await;
        assert!(home.0.path().join("onramp-webhooks").read_dir().unwrap().count() == 1, "trigger finds it");
        listen.signal(signal).await;
        assert_eq!(listen.ended().await.code, Some(0));
        assert!(home.inbox().is_file() && !home.0.path().join("onramp.db-wal").exists(), "the file is complete");
        assert!(home.0.path().join("onramp-webhooks").read_dir().unwrap().count() == 0, "trigger does not find it");
    }
    let listen = home.listen(&["--forward-to", &target.url]).await;
    target.answer([Answer::Never]);
    let before = target.got().len();
    home.trigger(&["wert", "login", "--customer", "another"]).await;
    while target.got().len() == before {
        sleep(Duration::from_millis(5)).await;
    }
    listen.signal("-INT").await;
    let mut stderr = String::new();
    let mut listen = listen;
    let mut pipe = BufReader::new(listen.child.stderr.take().unwrap());
    pipe.read_line(&mut stderr).await.unwrap();
    assert_eq!(stderr, "stopping\n");
    listen.signal("-INT").await;
    assert_eq!(timeout(Duration::from_secs(4), listen.child.wait()).await.unwrap().unwrap().code(), Some(130));
}

#[tokio::test]
async fn hostile_text_in_any_field_cannot_control_the_terminal() {
    const HOSTILE: &str = "\x1b[2J\x1b]0;t\x07\u{9b}31m\u{202e}\r\n\u{200b}";
    let (home, target) = (Home::new(), Target::start().await);
    let order = || WertOrder::new().click_id(HOSTILE);
    let mut bodies = vec![order().event(&format!("brand_new{HOSTILE}")), Bytes::from(HOSTILE)];
    for field in ["id", "base", "quote", "base_amount", "quote_amount", "address", "transaction_id", "error_code", HOSTILE] {
        bodies.push(order().with(field, HOSTILE).event("order_complete"));
        bodies.push(order().with(field, HOSTILE).event("order_failed"));
    }
    let postback = || Postback::new().additional_field("0", HOSTILE);
    for field in ["uuid", "amount", "asset_type", "fiat_amount", "to_address", HOSTILE] {
        bodies.push(postback().with(field, HOSTILE).json());
        bodies.push(postback().with(field, HOSTILE).form());
    }
    let mut command = home.command(&["-vvv", "listen", "--listen", "127.0.0.1:0", "--color", "never", "--attempts", "1"]);
    command.args(["--forward-to", &target.url]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut url = async || {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let (wert, kriptomat) = (url().await, url().await);
    let answer = Answer::Status(500, &[("x-hostile", "a")], HOSTILE);
    target.answer([answer]);
    let number = bodies.len();
    for body in bodies {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &body).unwrap();
        for (provider, to) in [("wert", &wert), ("kriptomat", &kriptomat)] {
            let ran = home.run(&["trigger", provider, "--file", file.path().to_str().unwrap(), "--to", to]).await;
            assert!(!ran.out.contains(['\x1b', '\u{9b}', '\u{202e}', '\r', '\u{200b}', '\x07']), "{:?}", ran.out);
        }
    }
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let mut out = String::new();
    let mut shown = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        shown += 1;
        out.push_str(&line);
    }
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
    assert!(shown > 2 * number, "every request has a line");
    assert!(out.matches(r"\u{1b}[2J").count() > 10, "{out}");
    for text in [out, err] {
        assert!(!text.contains(['\x1b', '\u{9b}', '\u{202e}', '\r', '\u{200b}', '\x07']), "{text:?}");
    }
}

#[tokio::test]
async fn an_inbox_of_another_program_is_left_alone() {
    let home = Home::new();
    let inbox = SqliteInbox::open(home.inbox()).await.unwrap();
    let delivery = NewDelivery::new("wert", "wert", onramp_webhooks::clock::Timestamp::now(), "{}".into());
    inbox.record(delivery).await.unwrap();
    let ran = home.run(&["listen", "--listen", "127.0.0.1:0"]).await;
    assert_eq!((ran.code, &*ran.out), (Some(4), ""));
    assert!(ran.err.contains("another program") && ran.err.contains("→ use an inbox of its own"), "{}", ran.err);
    assert_eq!(inbox.counts().await.unwrap().of(DeliveryState::Pending), 1);
}

/// A shop that has just been installed has received nothing yet.
#[tokio::test]
async fn an_inbox_that_another_program_has_created_is_left_alone_while_it_is_empty() {
    let (home, schema) = (Home::new(), TestSchema::new());
    let inbox = SqliteInbox::open(home.0.path().join("shop.db")).await.unwrap();
    let server = schema.open(Default::default()).await;
    for (inbox, url) in [(&inbox as &dyn Inbox, "sqlite://shop.db"), (&server, &*postgres::url())] {
        let mut command = home.command(&["listen", "--listen", "127.0.0.1:0"]);
        command.env("DATABASE_URL", url).env("ONRAMP_SCHEMA", schema.name());
        let ran = Ran::of(command).await;
        assert!(ran.code == Some(4) && ran.err.contains("another program"), "{url}: {ran:?}");
        assert_eq!(inbox.task_state("listen").await.unwrap().version, 0, "{url}: nothing was changed");
    }
}

#[tokio::test]
async fn a_database_without_an_inbox_is_not_changed() {
    let home = Home::new();
    let file = home.0.path().join("shop.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE users (id INTEGER)").unwrap();
    let before = std::fs::read(&file).unwrap();
    let ran = home.run(&["listen", "--listen", "127.0.0.1:0", "--database-url", "sqlite://shop.db"]).await;
    assert!(ran.code == Some(1) && ran.err.contains("no inbox"), "{ran:?}");
    assert!(std::fs::read(&file).unwrap() == before);
}

/// Its own inbox is found again, wherever it is.
#[tokio::test]
async fn an_inbox_that_listen_has_created_is_used_again() {
    let home = Home::new();
    let mut secrets = BTreeSet::new();
    for _ in 0..2 {
        let listen = home.listen(&["--database-url", "sqlite://mine.db"]).await;
        let url = listen.url("wert");
        secrets.insert(url.rsplit_once('/').unwrap().1.to_owned());
        listen.stop().await;
    }
    assert_eq!(secrets.len(), 1);
}

#[tokio::test]
async fn what_cannot_start_says_what_to_type() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = home.run(&["listen", "--listen", &address]).await;
    assert!(ran.code == Some(1) && ran.err.contains("→ choose another port with --listen"), "{}", ran.err);
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "8080"],
        &["--wert-secret", "hush"],
        &["--wert-secret", "hush-hush-hush-hush", "--listen", "0.0.0.0:0"],
        &["--forward-to", "127.0.0.1:3000"],
        &["--forward-to", "http://me:hush@127.0.0.1:3000"],
        &["--forward-secret", "hush"],
        &["--header", "x: y"],
        &["--forward-to", "http://127.0.0.1:3000", "--header", "onramp-type: x"],
        &["--events", "order_complete"],
        &["--fail", "11"],
        &["--concurrency", "0"],
        &["--attempts", "0"],
        &["--timeout", "soon"],
        &["--timeout", "0s"],
        &["--database-url", "mysql://me:hush@x/y"],
    ] {
        let ran = home.run(&[&["listen"], arguments].concat()).await;
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{arguments:?}: {}", ran.err);
    }
    for (variable, value) in [("WERT_SECRET", "hush"), ("FORWARD_SECRET", "hush"), ("DATABASE_URL", "mysql://me:hush@x/y")] {
        let mut command = home.command(&["listen", "--listen", "127.0.0.1:0"]);
        let ran = Ran::of({
            command.env(variable, value);
            command
        });
        let ran = ran.await;
        assert!(ran.code == Some(2) && !ran.err.contains("hush"), "{variable}: {}", ran.err);
    }
    assert!(!home.inbox().exists(), "nothing was created");
}

#[tokio::test]
async fn given_secrets_are_used_and_not_shown() {
    let home = Home::new();
    let secrets = home.0.path().join("secrets");
    std::fs::write(&secrets, "hush-hush-hush-hush-new\nhush-hush-hush-hush-old\n").unwrap();
    let mut listen = home.listen(&["--wert-secret-file", secrets.to_str().unwrap(), "--kriptomat-allow", "127.0.0.1"]).await;
    let (wert, kriptomat) = (listen.url("wert"), listen.url("kriptomat"));
    assert!(wert.ends_with("/webhooks/wert/…") && kriptomat.ends_with("/webhooks/kriptomat"), "{wert} {kriptomat}");
    for secret in ["new", "old"] {
        let to = wert.replace('…', &format!("hush-hush-hush-hush-{secret}"));
        home.trigger(&["wert", "login", "--customer", secret, "--to", &to]).await;
    }
    home.trigger(&["wert", "login", "--customer", "another"]).await;
    home.trigger(&["kriptomat", "purchase"]).await;
    listen.outcomes("handled", 4).await;
    let ran = home.run(&["trigger", "wert", "login", "--to", &wert.replace('…', "hush-hush-hush-hush")]).await;
    assert_eq!(ran.code, Some(3));
    assert_eq!(listen.outcomes("refused", 1).await[0]["status"], 404);
    assert!(!format!("{:?}", listen.objects.lock().unwrap()).contains("hush"));
    listen.stop().await;

    let mut listen = home.listen(&["--wert-secret-file", secrets.to_str().unwrap()]).await;
    home.trigger(&["wert", "order_failed"]).await;
    home.trigger(&["kriptomat", "purchase"]).await;
    listen.outcomes("handled", 2).await;
    listen.stop().await;
}

#[tokio::test]
async fn without_a_store_nothing_is_written() {
    let home = Home::new();
    let mut listen = home.listen(&["--no-store"]).await;
    assert_eq!(listen.first()["inbox"], "memory");
    home.trigger(&["wert", "checkout", "--conflict"]).await;
    home.trigger(&["wert", "login", "--broken", "not-json"]).await;
    listen.outcomes("handled", 3).await;
    let conflict = listen.outcomes("conflict", 1).await;
    assert_eq!((&conflict[0]["id"], &conflict[0]["first_id"]), (&"4".into(), &"3".into()));
    assert!(listen.outcomes("quarantined", 1).await[0]["reason"].as_str().unwrap().starts_with("not JSON"));
    listen.stop().await;
    assert!(!home.inbox().exists());
}

#[tokio::test]
async fn only_chosen_events_are_forwarded_and_a_share_fails() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut listen = home.listen(&["--forward-to", &target.url, "--events", "order_complete,order_canceled"]).await;
    home.trigger(&["wert", "checkout"]).await;
    let handled = listen.outcomes("handled", 3).await;
    assert_eq!(handled.iter().filter(|attempt| attempt["status"] == 204).count(), 1, "{handled:?}");
    assert_eq!(target.got().len(), 1);
    listen.stop().await;

    let mut listen = home.listen(&["--forward-to", &target.url, "--fail", "100%", "--attempts", "2"]).await;
    home.trigger(&["wert", "order_failed", "--count", "3"]).await;
    let dead = listen.outcomes("dead", 3).await;
    assert!(
        dead.iter().all(|dead| dead["note"] == "failed by --fail" && dead["cause"] == "attempts used up" && dead["attempt"] == 2)
    );
    assert_eq!(target.got().len(), 1, "nothing was forwarded");
    listen.stop().await;
}

/// The worker's errors are in the log, and those that have a line are not there twice.
#[tokio::test]
async fn an_inbox_that_breaks_is_reported_without_verbose() {
    let (home, target) = (Home::new(), Target::start().await);
    let mut listen = home.listen(&["--forward-to", &target.url, "--attempts", "1"]).await;
    target.answer([status(500)]);
    home.trigger(&["wert", "order_failed"]).await;
    listen.outcomes("dead", 1).await;
    let file = home.0.path().join("moved.db");
    std::fs::rename(home.inbox(), &file).unwrap();
    let ran = home.run(&["trigger", "wert", "order_failed"]).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(listen.outcomes("not_recorded", 1).await[0]["status"], 503);
    listen.signal("-TERM").await;
    let ran = listen.ended().await;
    assert!(ran.err.contains("could not claim deliveries") || ran.err.contains("warning: closing the database"), "{}", ran.err);
    assert!(!ran.err.contains("dead letter") && !ran.err.contains("not acknowledged"), "{}", ran.err);
}

#[tokio::test]
async fn a_closed_pipe_does_not_stop_the_receiver() {
    let home = Home::new();
    let mut child = home.command(&["listen", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("Try") {}
    drop(lines);
    home.trigger(&["wert", "checkout", "--count", "100"]).await;
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    assert_eq!(timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code(), Some(0));
    let inbox = SqliteInbox::open(home.inbox()).await.unwrap();
    assert_eq!(inbox.list(Filter::all().limit(1_000)).await.unwrap().records.len(), 300);
}

/// As a terminal that is paused with Ctrl-S.
#[tokio::test]
async fn a_standard_output_that_nobody_reads_does_not_stop_the_receiver() {
    let home = Home::new();
    let mut child = home.command(&["listen", "--listen", "127.0.0.1:0", "--no-store"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("Try") {}
    // More lines than wait and are written together, and all events are acknowledged.
    home.trigger(&["wert", "checkout", "--count", "2000"]).await;
    let mut left_out = false;
    while !left_out {
        home.trigger(&["wert", "login"]).await;
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        left_out = line.contains("lines left out");
        // Makes room for more than one line.
        for _ in 0..2_000 {
            let Ok(line) = timeout(Duration::from_millis(200), lines.next_line()).await else { break };
            left_out |= line.unwrap().unwrap().contains("lines left out");
        }
    }
    drop(child);
}

#[tokio::test]
async fn a_standard_error_that_nobody_reads_does_not_stop_the_receiver() {
    let home = Home::new();
    let mut listen = Listening::start(home.command(&["-vvv", "listen", "--listen", "127.0.0.1:0", "--json", "--no-store"])).await;
    home.trigger(&["wert", "checkout", "--count", "700"]).await;
    listen.outcomes("handled", 2_100).await;
    let mut lines = BufReader::new(listen.child.stderr.take().unwrap()).lines();
    let mut left_out = false;
    while !left_out {
        home.trigger(&["wert", "order_failed"]).await;
        while let Ok(line) = timeout(Duration::from_millis(200), lines.next_line()).await {
            left_out |= line.unwrap().unwrap().contains("lines of the log left out");
        }
    }
    listen.signal("-TERM").await;
    assert_eq!(timeout(PATIENCE, listen.child.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_inbox_can_be_on_postgres() {
    let (home, target, schema) = (Home::new(), Target::start().await, TestSchema::new());
    let arguments = ["--forward-to", &target.url, "--database-url", &postgres::url(), "--schema", schema.name()];
    let mut listen = home.listen(&arguments).await;
    let inbox = listen.first()["inbox"].as_str().unwrap().to_owned();
    assert!(inbox.starts_with("postgres://") && !inbox.contains('@'), "{inbox}");
    home.trigger(&["wert", "checkout", "--count", "10"]).await;
    listen.outcomes("handled", 30).await;
    assert_eq!(target.got().len(), 30);
    assert_eq!(listen.stop().await.code, Some(0));
    assert!(!Path::new(&home.inbox()).exists());
}
