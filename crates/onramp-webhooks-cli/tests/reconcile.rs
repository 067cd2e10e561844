//! The program against a fake provider and a real database.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, Filter, Inbox, Record, Settled, Settlement};
use onramp_webhooks::{Receiver, Wert};
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_suite::postgres::{self, TestSchema};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

const SINCE: &str = "2025-12-31T00:00:00Z";

/// A provider with complete orders, a folder, and a receiver whose inbox lacks every tenth of them.
struct Harness {
    provider: FakeProvider,
    folder: TempDir,
    orders: Vec<WertOrder>,
}

impl Harness {
    async fn new(orders: usize) -> Self {
        let provider = FakeProvider::start().await;
        let orders: Vec<_> = (0..orders).map(|_| WertOrder::new()).collect();
        orders.iter().for_each(|order| provider.add_order(order, "success"));
        Self { provider, folder: tempfile::tempdir().unwrap(), orders }
    }

    async fn with_sqlite(orders: usize) -> (Self, SqliteInbox) {
        let harness = Self::new(orders).await;
        harness.deliver(SqliteInbox::open(harness.file()).await.unwrap(), |number| number % 10 > 0).await;
        let inbox = SqliteInbox::open(harness.file()).await.unwrap();
        (harness, inbox)
    }

    async fn deliver(&self, inbox: impl Inbox, which: impl Fn(usize) -> bool) {
        let receiver = Receiver::builder(inbox).endpoint(Wert::with_path_secret("s3cret-for-examples")).build().unwrap();
        for (_, order) in self.orders.iter().enumerate().filter(|(number, _)| which(*number)) {
            let request = Request::new("POST", "/wert/s3cret-for-examples", None, &[]);
            assert_eq!(receiver.receive(&request, Full::new(order.complete())).await.status(), 200);
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    fn resume(&self) -> PathBuf {
        self.folder.path().join("resume.json")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onramp-webhooks"));
        command.args(["reconcile", "--since", SINCE]).args(arguments).kill_on_drop(true);
        // The orders are older than the inbox.
        command.args(arguments.contains(&"--repair").then_some(["--repair-since", SINCE]).into_iter().flatten());
        command.env_clear();
        command.env("DATABASE_URL", format!("sqlite://{}", self.file().display()));
        command.env("WERT_API_KEY", FakeProvider::API_KEY).env("WERT_API_URL", self.provider.url());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments)).await
    }
}

/// A program that ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    async fn of(mut command: Command) -> Self {
        Self::from(tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("it ends").unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!ran.out.contains(FakeProvider::API_KEY) && !ran.err.contains(FakeProvider::API_KEY), "the key shows");
        ran
    }
}

async fn completions(inbox: &dyn Inbox) -> (usize, usize) {
    let all = inbox.list(Filter::all().event_type("order_complete").limit(10_000)).await.unwrap().records;
    (all.len(), all.iter().filter(|record: &&Record| record.is_synthetic()).count())
}

#[tokio::test]
async fn it_reports_and_then_repairs_once() {
    let (harness, inbox) = Harness::with_sqlite(100).await;
    let report = harness.run(&[]).await;
    assert_eq!(report.code, Some(3), "{}", report.err);
    assert!(report.out.contains("complete at Wert and not received") && report.out.contains("10 missing, 0 of them repaired"));
    assert!(report.out.contains(harness.orders[0].id().unwrap()) && report.err.is_empty(), "{}", report.err);
    assert_eq!(completions(&inbox).await, (90, 0));

    let repaired = harness.run(&["--repair", "--json"]).await;
    let found = repaired.json();
    assert_eq!((repaired.code, &found["resolved"]), (Some(0), &Value::Bool(true)));
    assert_eq!((&found["summary"]["missing"], &found["summary"]["repaired"]), (&10.into(), &10.into()));
    assert_eq!(found["summary"]["findings"][0]["finding"], "repaired");
    assert_eq!(completions(&inbox).await, (100, 10));

    let again = harness.run(&["--repair", "--json"]).await;
    assert_eq!((again.code, &again.json()["summary"]["missing"]), (Some(0), &0.into()));
    harness.deliver(SqliteInbox::open(harness.file()).await.unwrap(), |_| true).await;
    assert_eq!(completions(&inbox).await, (100, 10), "late real ones are duplicates");
}

#[tokio::test]
async fn what_is_left_for_an_operator_is_told_by_the_exit_code() {
    let (harness, _) = Harness::with_sqlite(0).await;
    let order = WertOrder::new();
    harness.provider.add_order(&order, "on_hold");
    let ran = harness.run(&["--repair"]).await;
    assert_eq!(ran.code, Some(6));
    assert!(ran.out.contains(r#"has the unknown status "on_hold" at Wert"#), "{}", ran.out);
    assert!(ran.err.contains("the inbox is empty"));
}

#[tokio::test]
async fn each_kind_of_finding_has_its_exit_code() {
    let code = async |harness: &Harness| harness.run(&["--grace", "0s"]).await.code;
    let (harness, _) = Harness::with_sqlite(0).await;
    let [missing, altered, unknown] = std::array::from_fn(|_| WertOrder::new());
    let mut orders = Harness { orders: vec![unknown.clone()], ..harness };
    orders.deliver(SqliteInbox::open(orders.file()).await.unwrap(), |_| true).await;
    assert_eq!(code(&orders).await, Some(7));
    orders.provider.add_order(&unknown, "success");
    assert_eq!(code(&orders).await, Some(0));
    orders.provider.add_order(&altered, "success");
    assert_eq!(code(&orders).await, Some(3));
    orders.orders = vec![altered.fiat("9000.00", "USD")];
    orders.deliver(SqliteInbox::open(orders.file()).await.unwrap(), |_| true).await;
    assert_eq!(code(&orders).await, Some(5));

    let inbox = SqliteInbox::open(orders.file()).await.unwrap();
    let claimed = inbox.claim(Timestamp::now(), ClaimRequest::new(2, Duration::from_secs(60))).await.unwrap().deliveries;
    let error = "no such customer".to_owned();
    let outcomes = [Settled::Handled, Settled::Dead { cause: DeadCause::RefusedByHandler, error }];
    let settlements = claimed.iter().zip(outcomes).map(|(claimed, outcome)| Settlement::new(claimed.lease, outcome)).collect();
    inbox.settle(Timestamp::now(), settlements).await.unwrap();
    assert_eq!(code(&orders).await, Some(4));
    orders.provider.add_order(&missing, "success");
    assert_eq!(code(&orders).await, Some(8));
}

/// As after a move of the shop to this file.
#[tokio::test]
async fn orders_older_than_the_inbox_are_only_reported_unless_told_to() {
    let (harness, inbox) = Harness::with_sqlite(20).await;
    let mut command = harness.command(&[]);
    command.args(["--repair", "--json"]);
    let ran = Ran::of(command).await;
    let found = ran.json();
    assert_eq!((ran.code, &found["summary"]["missing"], &found["summary"]["repaired"]), (Some(3), &2.into(), &0.into()));
    let reason = found["summary"]["findings"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("older than this inbox") && reason.contains("--repair-since"), "{reason}");
    assert_eq!(completions(&inbox).await, (18, 0));
    assert_eq!(harness.run(&["--repair"]).await.code, Some(0));
    assert_eq!(completions(&inbox).await, (20, 2));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_names_no_secret() {
    let (harness, _) = Harness::with_sqlite(0).await;
    let ran = Ran::of({
        let mut command = harness.command(&[]);
        command.env_remove("WERT_API_KEY");
        command
    });
    assert_eq!(ran.await.code, Some(2));
    for arguments in [
        &["--until", "2025-01-01T00:00:00Z"][..],
        &["--grace", "soon"],
        &["--sandbox", "--api-url", "https://x.example"],
        &["--api-url", "http://x.example"],
        &["--database-url", "mysql://root:hunter2@localhost/shop"],
        &["--database-url", "postgres://root:hunter2@[/shop"],
        &["--nonsense"],
    ] {
        let ran = harness.run(arguments).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    let help = harness.run(&["--help"]).await;
    assert!(help.code == Some(0) && help.out.contains("--database-url"));
}

#[tokio::test]
async fn what_fails_is_an_error_and_names_no_secret() {
    let (harness, _) = Harness::with_sqlite(10).await;
    let missing = harness.folder.path().join("other.db");
    let foreign = harness.folder.path().join("foreign.db");
    std::fs::write(&foreign, "").unwrap();
    for url in [
        format!("sqlite://{}", missing.display()),
        format!("sqlite://{}", foreign.display()),
        "postgres://root:hunter2@127.0.0.1:1/shop".to_owned(),
        format!("sqlite://{}", harness.folder.path().display()),
    ] {
        let ran = harness.run(&["--database-url", &url]).await;
        assert_eq!(ran.code, Some(1), "{url}: {}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    assert!(!missing.exists(), "nothing is made in a place that was mistyped");
    assert_eq!(std::fs::read(&foreign).unwrap(), b"", "nor in a file of another program");
    let wrong_key = Ran::of({
        let mut command = harness.command(&[]);
        command.env("WERT_API_KEY", "not the right one");
        command
    });
    let wrong_key = wrong_key.await;
    assert!(wrong_key.code == Some(1) && wrong_key.err.contains("the key is not accepted"), "{}", wrong_key.err);
    assert!(!wrong_key.err.contains("not the right one"));
}

#[tokio::test]
async fn after_an_error_it_goes_on_where_it_stood() {
    let (harness, inbox) = Harness::with_sqlite(200).await;
    let file = harness.resume();
    let arguments = ["--repair", "--json", "--resume", file.to_str().unwrap()];
    for _ in 0..6 {
        harness.provider.answer_next(Answer::truth());
    }
    harness.provider.answer_next(Answer::status(400));
    let failed = harness.run(&arguments).await;
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("progress saved in"), "{}", failed.err);
    assert_eq!(completions(&inbox).await, (192, 12));
    let stood = std::fs::read_to_string(&file).unwrap();
    assert!(!stood.contains(FakeProvider::API_KEY));

    let other = harness.run(&["--resume", arguments[3]]).await;
    assert!(other.code == Some(2) && other.err.contains("with --repair"), "{}", other.err);
    let asked = harness.provider.requests().len();
    let resumed = harness.run(&arguments).await;
    let found = resumed.json();
    assert_eq!((resumed.code, &found["summary"]["orders"], &found["summary"]["repaired"]), (Some(0), &200.into(), &20.into()));
    let orders = harness.provider.requests()[asked..].iter().filter(|seen| seen.parameter("search_by").is_none()).count();
    assert_eq!(orders, 4, "the other pages were not asked for again");
    assert!(!file.exists(), "the next run begins anew");

    std::fs::write(&file, "{}").unwrap();
    assert_eq!(harness.run(&arguments).await.code, Some(2));
    assert_eq!(std::fs::read(&file).unwrap(), b"{}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_one_goes_on_where_it_stood() {
    let (harness, inbox) = Harness::with_sqlite(200).await;
    let file = harness.resume();
    let arguments = ["--repair", "--json", "--resume", file.to_str().unwrap()];
    for _ in 0..4 {
        harness.provider.answer_next(Answer::truth());
    }
    harness.provider.answer_always(Answer::never());
    for signal in ["-INT", "-TERM"] {
        let mut command = harness.command(&arguments);
        let child = command.spawn().unwrap();
        let asked = harness.provider.requests().len();
        until(|| file.exists() && harness.provider.requests().len() > asked.max(4)).await;
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let ran = Ran::from(child.wait_with_output().await.unwrap());
        assert_eq!(ran.code, Some(130), "{}", ran.err);
        assert!(ran.err.contains("interrupted") && ran.out.is_empty());
    }
    assert_eq!(completions(&inbox).await, (188, 8));
    harness.provider.answer_always(Answer::truth());
    let resumed = harness.run(&arguments).await;
    assert_eq!((resumed.code, &resumed.json()["summary"]["repaired"]), (Some(0), &20.into()));
    assert_eq!(completions(&inbox).await, (200, 20));
}

async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it happens");
}

#[tokio::test]
async fn the_inbox_of_a_fleet_is_repaired_on_postgres() {
    let (harness, schema) = (Harness::new(50).await, TestSchema::new());
    let open = async || schema.options().await.open().await.unwrap();
    harness.deliver(open().await, |number| number % 10 > 0).await;
    let arguments = ["--repair", "--json", "--schema", schema.name(), "--database-url", &postgres::url()];
    let (one, other) = tokio::join!(harness.run(&arguments), harness.run(&arguments));
    assert_eq!((one.code, other.code), (Some(0), Some(0)), "{} {}", one.err, other.err);
    let repaired = |ran: &Ran| ran.json()["summary"]["repaired"].as_u64().unwrap();
    assert_eq!(repaired(&one) + repaired(&other), 5, "of several at once, one makes each");
    let inbox = open().await;
    assert_eq!(completions(&inbox).await, (50, 5));
    harness.deliver(open().await, |_| true).await;
    assert_eq!(completions(&inbox).await, (50, 5));
    assert!(!Path::new(&harness.file()).exists());
}
