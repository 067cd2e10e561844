//! The inspector page of `listen` and `inspect`, as a browser and as a script see it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod operator;
mod program;

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use onramp_webhooks::inbox::State;
use onramp_webhooks_sqlite::rusqlite;
use onramp_webhooks_testkit::adapter::{Connection, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::operator::Shop;
use crate::program::{Ran, command, fields, run};

const PATIENCE: Duration = Duration::from_secs(60);

const TOKEN: &str = "hush-token-of-at-least-32-characters";

/// A program that serves the page.
struct Serving {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    first: Value,
    address: SocketAddr,
}

impl Serving {
    /// Starts a command that writes its addresses as the first line of JSON.
    async fn start(mut command: Command) -> Self {
        let mut child = command.arg("--json").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(first) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() else {
            panic!("{:?}", child.wait_with_output().await);
        };
        let first: Value = serde_json::from_str(&first).unwrap();
        let address = text(&first, "address").parse().unwrap();
        Self { child, lines, first, address }
    }

    async fn inspect(shop: &Shop, arguments: &[&str]) -> Self {
        Self::start(shop.command(&[&["inspect", "--listen", "127.0.0.1:0"], arguments].concat())).await
    }

    /// Returns the token of the link.
    fn token(&self) -> &str {
        let (link, token) = text(&self.first, "inspector").split_once("#k=").unwrap();
        assert_eq!(link, format!("http://{}/inspect/", self.address));
        token
    }

    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Response {
        let mut connection = Connection::open(self.address).await;
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let page = format!("content-type: application/json\r\nx-onramp-inspector: 1\r\norigin: http://{}\r\n", self.address);
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{authorization}{page}content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.send(head).await;
        connection.answer_to(method).await
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Response {
        self.send("GET", path, token, "").await
    }

    /// Waits for an object of standard output with these members.
    async fn written(&mut self, members: &[(&str, &str)]) {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().unwrap();
            let object: Value = serde_json::from_str(&line).unwrap();
            if members.iter().all(|(name, value)| object.get(*name).and_then(Value::as_str) == Some(value)) {
                return;
            }
        }
    }

    async fn signal(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    }

    /// Ends the program, and returns its exit code, and all of its output since the first line.
    async fn stop(self) -> Ran {
        self.signal().await;
        self.ended().await
    }

    async fn ended(mut self) -> Ran {
        let mut stderr = Vec::new();
        let mut child_stderr = self.child.stderr.take().unwrap();
        let reading = async {
            let mut out = self.first.to_string();
            while let Some(line) = self.lines.next_line().await.unwrap() {
                out.push_str(&line);
            }
            out
        };
        let (out, read) =
            timeout(PATIENCE, async { tokio::join!(reading, child_stderr.read_to_end(&mut stderr)) }).await.unwrap();
        read.unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        Ran::from(Output { status, stdout: out.into_bytes(), stderr })
    }
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: {object}"))
}

/// Returns the ids and states of a list.
fn listed(response: &Response) -> Vec<(String, String)> {
    let list = response.json();
    let rows = list.get("data").and_then(Value::as_array).unwrap_or_else(|| panic!("{list}"));
    rows.iter().map(|row| (text(row, "id").to_owned(), text(row, "state").to_owned())).collect()
}

/// A folder for the inbox of `listen`.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.args(arguments).current_dir(self.0.path()).env("XDG_RUNTIME_DIR", self.0.path());
        command
    }

    fn listening(&self, arguments: &[&str]) -> Command {
        self.command(&[&["listen", "--listen", "127.0.0.1:0"], arguments].concat())
    }

    async fn trigger(&self, arguments: &[&str]) {
        let ran = Ran::of(self.command(&[&["trigger"], arguments].concat())).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

#[tokio::test]
async fn listen_serves_the_page_and_replays_through_its_own_inbox() {
    let home = Home::new();
    let mut listen = Serving::start(home.listening(&[])).await;
    let token = listen.token().to_owned();
    let index = listen.get("/inspect/", None).await;
    assert!(index.status == 200 && index.text().contains("<html"), "{index:?}");
    let asset = index.text().split('"').find(|text| text.starts_with("assets/")).unwrap().to_owned();
    assert_eq!(listen.get(&format!("/inspect/{asset}"), None).await.status, 200);
    assert_eq!(listen.get("/inspect", None).await.header("location"), Some("./inspect/"));

    home.trigger(&["wert", "order_complete", "--order", "order-7", "--customer", "customer-of-the-shop"]).await;
    listen.written(&[("outcome", "handled"), ("id", "1")]).await;
    listen.get("/inspect/api/deliveries", None).await.assert_problem(401);
    listen.get("/inspect/api/deliveries", Some(TOKEN)).await.assert_problem(401);
    let list = listen.get("/inspect/api/deliveries", Some(&token)).await;
    assert_eq!(listed(&list), [("1".to_owned(), "handled".to_owned())]);
    let shown = listen.get("/inspect/api/deliveries/1", Some(&token)).await.text().to_owned();
    assert!(shown.contains("order-7") && !shown.contains("customer-of-the-shop"), "{shown}");
    assert_eq!(text(&listen.get("/inspect/api/overview", Some(&token)).await.json(), "environment"), "sqlite://onramp.db");

    let replay = json!({ "even_handled": true, "confirm": "1" }).to_string();
    let replay = listen.send("POST", "/inspect/api/deliveries/1/replay", Some(&token), &replay).await;
    assert_eq!(replay.json().get("result"), Some(&"due".into()), "{replay:?}");
    listen.written(&[("object", "listen.attempt"), ("outcome", "handled"), ("id", "1")]).await;

    listen.get("/inspect/api/deliveries", None).await.assert_problem(401);
    assert_eq!(listen.get("/webhooks/elsewhere", None).await.status, 404);
    let ran = listen.stop().await;
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.out.matches("listen.request").count(), 1, "requests of the page are not events: {}", ran.out);
    assert_ne!(Serving::start(home.listening(&[])).await.token(), token, "each run has its own");
}

#[tokio::test]
async fn listen_leaves_the_page_out_where_it_has_to() {
    let home = Home::new();
    let mut listen = Serving::start(home.listening(&["--no-inspector"])).await;
    assert_eq!(listen.first.get("inspector"), Some(&Value::Null));
    for path in ["/inspect/", "/inspect", "/inspect/api/overview"] {
        assert_eq!(listen.get(path, Some(TOKEN)).await.status, 404, "{path}");
    }
    home.trigger(&["wert", "login"]).await;
    listen.written(&[("outcome", "handled")]).await;
    listen.stop().await;

    let everywhere = |token: Option<&str>| {
        let mut command = home.command(&["listen", "--no-store", "--listen", "0.0.0.0:0"]);
        command.env("WERT_SECRET", "w".repeat(32)).envs(token.map(|token| ("INSPECTOR_TOKEN", token)));
        command
    };
    let reached = |serving: &mut Serving| serving.address.set_ip([127, 0, 0, 1].into());
    let mut listen = Serving::start(everywhere(None)).await;
    reached(&mut listen);
    assert_eq!(listen.first.get("inspector"), Some(&Value::Null));
    assert_eq!(listen.get("/inspect/", None).await.status, 404);
    let ran = listen.stop().await;
    assert!(ran.code == Some(0) && ran.err.contains("no inspector: others can reach 0.0.0.0:0"), "{ran:?}");

    let mut listen = Serving::start(everywhere(Some(TOKEN))).await;
    reached(&mut listen);
    assert_eq!(listen.get("/inspect/api/overview", Some(TOKEN)).await.status, 200);
    listen.stop().await;
}

#[tokio::test]
async fn a_given_token_is_neither_printed_nor_logged() {
    let home = Home::new();
    let file = home.0.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap();
    let shop = Shop::on_sqlite().await;
    shop.order("order-7", "customer-of-the-shop", "250.00").await;
    let mut with_variable = shop.command(&["inspect", "--listen", "127.0.0.1:0", "-vvv"]);
    with_variable.env("INSPECTOR_TOKEN", TOKEN);
    for command in [home.listening(&["--inspector-token-file", file, "-vvv"]), with_variable] {
        let serving = Serving::start(command).await;
        assert_eq!(text(&serving.first, "inspector"), format!("http://{}/inspect/", serving.address));
        let login = serving.send("POST", "/inspect/login", None, &json!({ "token": TOKEN }).to_string()).await;
        assert!(login.status == 200 && login.header("set-cookie").is_some(), "{login:?}");
        let wrong = "wrong-hush-token-of-at-least-32-characters";
        serving.send("POST", "/inspect/login", None, &json!({ "token": wrong }).to_string()).await.assert_problem(401);
        serving.get("/inspect/api/deliveries", Some(wrong)).await.assert_problem(401);
        assert_eq!(serving.get("/inspect/api/deliveries", Some(TOKEN)).await.status, 200);
        serving.send("POST", "/inspect/api/deliveries/1/reveal", Some(TOKEN), "{}").await;
        let ran = serving.stop().await;
        assert!(ran.code == Some(0) && ran.err.contains("signed in to the inspector"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("hush") && !ran.err.contains("customer-of-the-shop"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_token_of_this_run_is_not_logged() {
    let shop = Shop::on_sqlite().await;
    let serving = Serving::inspect(&shop, &["-vvv"]).await;
    let token = serving.token().to_owned();
    let login = serving.send("POST", "/inspect/login", None, &json!({ "token": token }).to_string()).await;
    assert_eq!(login.status, 200);
    let ran = serving.stop().await;
    assert!(ran.err.contains("signed in to the inspector") && !ran.err.contains(&token), "{}", ran.err);
}

#[tokio::test]
async fn inspect_serves_the_inbox_of_a_shop() {
    for shop in [Shop::on_sqlite().await, Shop::on_postgres().await] {
        let dead = shop.dead("order-7", "customer-of-the-shop", "250.00", "no user customer-of-the-shop").await;
        let inspect = Serving::inspect(&shop, &[]).await;
        assert_eq!(fields(&inspect.first), "address inbox inspector object read_only");
        assert!(!inspect.first.to_string().contains(&shop.url), "user and password are left out");
        let token = inspect.token().to_owned();
        let home = inspect.get("/", None).await;
        assert_eq!((home.status, home.header("location")), (307, Some("inspect/")));
        inspect.get("/inspect/api/deliveries", Some(TOKEN)).await.assert_problem(401);
        let list = inspect.get("/inspect/api/deliveries", Some(&token)).await;
        assert_eq!(listed(&list), [(dead.to_string(), "dead".to_owned())]);
        assert!(!list.text().contains("customer-of-the-shop"), "{}", list.text());
        let overview = inspect.get("/inspect/api/overview", Some(&token)).await.json();
        assert_eq!(overview.pointer("/caller/operates"), Some(&true.into()), "{overview}");

        let resolved = format!("/inspect/api/deliveries/{dead}/resolve");
        assert_eq!(inspect.send("POST", &resolved, Some(TOKEN), r#"{"note":"paid by hand"}"#).await.status, 401);
        assert_eq!(shop.show(dead).await.resolved_at, None);
        assert_eq!(inspect.send("POST", &resolved, Some(&token), r#"{"note":"paid by hand"}"#).await.status, 200);
        assert!(shop.show(dead).await.resolved_at.is_some());
        let replay = format!("/inspect/api/deliveries/{dead}/replay");
        assert_eq!(inspect.send("POST", &replay, Some(&token), "{}").await.status, 409, "it was paid by hand");
        let reopen = format!("/inspect/api/deliveries/{dead}/reopen");
        assert_eq!(inspect.send("POST", &reopen, Some(&token), "{}").await.status, 200);
        assert_eq!(inspect.send("POST", &replay, Some(&token), "{}").await.status, 200);
        assert_eq!(shop.state(dead).await, State::Pending);
        assert_eq!(inspect.stop().await.code, Some(0));
    }
}

#[tokio::test]
async fn a_read_only_page_refuses_every_action_and_needs_no_lock() {
    let shop = Shop::on_sqlite().await;
    let dead = shop.dead("order-7", "customer-of-the-shop", "250.00", "no user").await;
    let before = shop.show(dead).await;
    let lock = rusqlite::Connection::open(shop.folder.path().join("shop.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let inspect = Serving::inspect(&shop, &["--read-only"]).await;
    let token = inspect.token();
    assert_eq!(inspect.first.get("read_only"), Some(&true.into()));
    assert_eq!(listed(&inspect.get("/inspect/api/deliveries", Some(token)).await).len(), 1);
    assert_eq!(inspect.get("/inspect/api/overview", Some(token)).await.status, 200);
    let confirmed = json!({ "confirm": dead.to_string() }).to_string();
    for (action, body) in
        [("replay", "{}"), ("resolve", r#"{"note":"x"}"#), ("reopen", "{}"), ("reveal", "{}"), ("forget", &*confirmed)]
    {
        let path = format!("/inspect/api/deliveries/{dead}/{action}");
        inspect.send("POST", &path, Some(token), body).await.assert_problem(403);
    }
    inspect.get(&format!("/inspect/api/deliveries/{dead}/body"), Some(token)).await.assert_problem(403);
    let after = shop.show(dead).await;
    assert_eq!((after.state, after.resolved_at, after.body), (before.state, before.resolved_at, before.body));
    inspect.stop().await;
}

#[tokio::test]
async fn an_inspector_that_cannot_start_says_what_to_type() {
    let shop = Shop::on_sqlite().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = shop.run(&["inspect", "--listen", &taken.local_addr().unwrap().to_string()]).await;
    assert!(ran.code == Some(1) && ran.err.contains("→ choose another port with --listen"), "{ran:?}");

    let missing = shop.folder.path().join("missing.db");
    let ran = run(&["inspect", "--listen", "127.0.0.1:0", "--database-url", &format!("sqlite://{}", missing.display())]).await;
    assert!(ran.code == Some(1) && ran.err.contains("there is no file") && !missing.exists(), "{ran:?}");
    let ran = run(&["inspect", "--listen", "127.0.0.1:0"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("→ add `--database-url"), "{ran:?}");

    let ran = shop.run(&["inspect", "--listen", "0.0.0.0:0"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("→ export INSPECTOR_TOKEN="), "{ran:?}");
    for name in ["inspect", "listen"] {
        let ran = shop.run(&[name, "--listen", "127.0.0.1:0", "--inspector-token-file", "no-such-file"]).await;
        assert!(ran.code == Some(1) && ran.err.contains("--inspector-token-file: reading"), "{ran:?}");
        let mut short = shop.command(&[name, "--listen", "127.0.0.1:0"]);
        short.env("INSPECTOR_TOKEN", "hush-hush-hush-hush-hush-hush-3");
        let ran = Ran::of(short).await;
        assert!(ran.code == Some(2) && ran.err.contains("at least 32 characters") && !ran.err.contains("hush"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_page_at_once() {
    let shop = Shop::on_sqlite().await;
    let mut inspect = Serving::inspect(&shop, &[]).await;
    let mut errors = BufReader::new(inspect.child.stderr.take().unwrap()).lines();
    let mut open = Connection::open(inspect.address).await;
    // A request that is not complete holds up the end.
    open.send(format!("POST /inspect/login HTTP/1.1\r\nhost: {}\r\ncontent-length: 9\r\n\r\n", inspect.address)).await;
    assert_eq!(inspect.get("/inspect/", None).await.status, 200);
    inspect.signal().await;
    assert_eq!(timeout(PATIENCE, errors.next_line()).await.unwrap().unwrap().as_deref(), Some("stopping"));
    inspect.signal().await;
    assert_eq!(timeout(PATIENCE, inspect.child.wait()).await.unwrap().unwrap().code(), Some(130));
}

#[tokio::test]
async fn the_banner_is_text_for_a_terminal() {
    let shop = Shop::on_sqlite().await;
    let mut child = shop.command(&["inspect", "--listen", "127.0.0.1:0", "--read-only"]).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let link = next().await;
    assert!(link.starts_with("  Inspector   http://127.0.0.1:") && link.contains("/inspect/#k="), "{link}");
    let inbox = next().await;
    assert!(inbox.starts_with("  Inbox       sqlite://") && inbox.ends_with("shop.db, read only"), "{inbox}");
    child.kill().await.unwrap();
}
