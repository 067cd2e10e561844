//! The commands of the guide.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod operator;
mod program;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use onramp_webhooks_guide::{Command as Documented, blocks};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_suite::postgres;
use onramp_webhooks_testkit::provider::FakeProvider;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::operator::Shop;
use crate::program::Ran;

/// The chapters whose commands run here. `cargo xtask first-hour` runs those of `start-*.md` and `first-purchase.md`.
const CHAPTERS: [&str; 8] =
    ["backup.md", "observing.md", "operating.md", "proxies.md", "secrets.md", "stores.md", "testing.md", "tunnel.md"];

/// The address of PostgreSQL in the guide.
const SERVER: &str = "postgres://shop@db.example/shop";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src")
}

/// Returns the commands of a chapter.
fn commands(chapter: &str) -> Vec<Documented> {
    let text = std::fs::read_to_string(folder().join(chapter)).unwrap();
    blocks(&text).iter().filter(|block| block.language == "console").flat_map(|block| block.commands()).collect()
}

/// Makes the inbox of the guide: two dead letters, an order that waits, a conflict with it, and a purchase in quarantine.
async fn inbox_of_the_guide() -> Shop {
    let shop = Shop::on_sqlite().await;
    for (number, amount) in ["250.00", "49.99"].into_iter().enumerate() {
        let error = format!("insert into points: no column currency, attempt {number}");
        shop.dead(&format!("01M7BZ4Q0EXAMPLE{number}"), "customer-42", amount, &error).await;
    }
    shop.order("01M7BZ4Q0EXAMPLE0000WHBPVM", "customer-42", "250.00").await;
    shop.order("01M7BZ4Q0EXAMPLE0000WHBPVM", "customer-42", "950.00").await;
    shop.order("01M7BZ4Q0EXAMPLE0000000005", "customer-43", "fifty").await;
    shop
}

/// A receiver at the public address of the guide, `https://shop.example`.
struct Public {
    child: Child,
    origin: String,
    /// The address of Wert's webhook, with the secret.
    wert: String,
}

impl Public {
    async fn start(folder: &Path) -> Self {
        let mut command = program::command();
        command.args(["listen", "--no-store"]).env("LISTEN", "127.0.0.1:0").env("XDG_RUNTIME_DIR", folder).current_dir(folder);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap().unwrap();
        tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
        let wert = first.split_whitespace().nth(1).unwrap().to_owned();
        let origin = wert.split_once("/webhooks").unwrap().0.to_owned();
        Self { child, origin, wert }
    }
}

/// A database of its own with an empty inbox, which is dropped at the end.
struct OwnDatabase {
    name: String,
    url: String,
}

impl OwnDatabase {
    async fn create() -> Self {
        let server = postgres::url();
        let name = format!("guide_{}", fastrand::u64(..));
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connect(&server).await).await.unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        let url = format!("{before}/{name}");
        PostgresInbox::connect(&url).await.unwrap();
        Self { name, url }
    }

    async fn remove(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut connect(&postgres::url()).await).await.unwrap();
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// Returns a script that does the commands in one shell, and ends with the number of the first one that fails.
fn script(commands: &[Documented]) -> String {
    let mut script = String::new();
    for (number, command) in (1..).zip(commands) {
        // Findings are no failure.
        let findings = match command.line.as_str() {
            line if line.contains("reconcile") => "[3-8]",
            line if line.contains("status") || line.contains("doctor") => "3",
            _ => "0",
        };
        let line = &command.line;
        writeln!(script, "echo '==='\n{line}\ncase $? in 0|{findings}) ;; *) echo failed: $? >&2; exit {number} ;; esac")
            .unwrap();
    }
    script
}

/// Runs the commands of a chapter on the inbox of the guide, while the shop's worker and a provider run.
async fn follow(chapter: &str) {
    follow_with(chapter, "none").await;
}

async fn follow_with_server(chapter: &str) {
    let database = OwnDatabase::create().await;
    follow_with(chapter, &database.url).await;
    database.remove().await;
}

async fn follow_with(chapter: &str, server: &str) {
    let (shop, provider) = (inbox_of_the_guide().await, FakeProvider::start().await);
    let (worker, _) = shop.worker(&[]);
    let mut public = Public::start(shop.folder.path()).await;
    let commands = commands(chapter);
    let script = script(&commands).replace("https://shop.example/webhooks/wert/SECRET", &public.wert);
    let script = script.replace("https://shop.example", &public.origin).replace(SERVER, server);
    let bin = Path::new(env!("CARGO_BIN_EXE_onramp-webhooks")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().current_dir(shop.folder.path()).kill_on_drop(true);
    shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("DATABASE_URL", &shop.url);
    shell.env("WERT_API_KEY", FakeProvider::API_KEY).env("WERT_API_URL", provider.url());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = Ran::of(shell).await;
    worker.shutdown().await;
    public.child.kill().await.unwrap();
    let failed = ran.code.and_then(|code| commands.get(usize::try_from(code).ok()?.checked_sub(1)?));
    assert_eq!(ran.code, Some(0), "{failed:?}: {}\n{}", ran.out, ran.err);
    let outputs: Vec<_> = ran.out.split("===\n").skip(1).collect();
    assert_eq!(outputs.len(), commands.len());
    for (command, output) in commands.iter().zip(outputs) {
        let written: Vec<_> = output.lines().collect();
        assert!(command.output.is_empty() || written == command.output, "{command:?}: {written:?}");
    }
}

#[tokio::test]
async fn operating_is_right() {
    follow("operating.md").await;
}

#[tokio::test]
async fn observing_is_right() {
    follow("observing.md").await;
}

#[tokio::test]
async fn proxies_are_right() {
    follow("proxies.md").await;
}

#[tokio::test]
async fn secrets_are_right() {
    follow("secrets.md").await;
}

#[tokio::test]
async fn testing_is_right() {
    follow("testing.md").await;
}

#[tokio::test]
async fn the_tunnel_is_right() {
    follow("tunnel.md").await;
}

#[tokio::test]
async fn backups_are_right_on_postgres() {
    follow_with_server("backup.md").await;
}

#[tokio::test]
async fn stores_are_right_on_postgres() {
    follow_with_server("stores.md").await;
}

#[test]
fn every_chapter_with_commands_is_tested() {
    let chapters = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let with_commands: BTreeSet<_> = chapters.filter(|chapter| !commands(chapter).is_empty()).collect();
    let is_first = |chapter: &&String| chapter.starts_with("start-") || *chapter == "first-purchase.md";
    let others: Vec<_> = with_commands.iter().filter(|chapter| !is_first(chapter)).map(String::as_str).collect();
    assert_eq!(others, CHAPTERS);
}
