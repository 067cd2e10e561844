//! The examples of `--help`, and the transcripts of the README.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod operator;
mod program;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use onramp_webhooks::purchases::PurchaseStore;
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_testkit::provider::FakeProvider;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::operator::Shop;
use crate::program::{Ran, command, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// A home with the program in its path.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["bin", ".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions", "run"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_onramp-webhooks"), home.path().join("bin/onramp-webhooks")).unwrap();
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns a shell that runs a line of the documentation.
    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {line}")]).env_clear().current_dir(self.path()).kill_on_drop(true);
        shell.env("HOME", self.path()).env("PATH", format!("{}/bin:/usr/bin:/bin", self.path().display()));
        shell.env("XDG_RUNTIME_DIR", self.path().join("run")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    async fn ran(&self, line: &str) -> Ran {
        Ran::of(self.shell(line)).await
    }

    /// Starts a server as in a line of the documentation, on any free port.
    fn listen(&self, line: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut shell = self.shell(line);
        shell.env("LISTEN", "127.0.0.1:0").env("INSPECTOR_LISTEN", "127.0.0.1:0");
        let mut child = shell.env("DATABASE_URL", "sqlite://onramp.db").spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    }
}

async fn stop(mut child: Child) -> Option<i32> {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    timeout(PATIENCE, child.wait()).await.unwrap().unwrap().code()
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap()
}

/// Returns the examples at the end of the help of a command.
async fn examples(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split(' ').chain(["--help"]).collect();
    let help = run(&words).await.out;
    let examples = help.split_once("Examples:\n").unwrap().1;
    examples.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_examples_of_trigger_are_acknowledged() {
    let home = Home::new();
    let (child, mut lines) = home.listen("onramp-webhooks listen --no-store");
    while !next(&mut lines).await.contains("Try") {}
    let reading = tokio::spawn(async move { while lines.next_line().await.unwrap().is_some() {} });
    for example in examples("trigger").await {
        let ran = home.ran(&example).await;
        assert!(ran.code == Some(0) && !ran.out.is_empty(), "{example}: {ran:?}");
    }
    assert_eq!(stop(child).await, Some(0));
    reading.await.unwrap();
}

#[tokio::test]
async fn the_examples_of_listen_start() {
    for example in examples("listen").await {
        let home = Home::new();
        let (child, mut lines) = home.listen(&example);
        let first = next(&mut lines).await;
        assert!(first.contains("http://127.0.0.1:"), "{example}: {first}");
        assert_eq!(stop(child).await, Some(0), "{example}");
    }
}

#[tokio::test]
async fn the_examples_and_the_transcript_of_inspect_start() {
    let (documented, expected) = transcript("onramp-webhooks inspect");
    for example in examples("inspect").await.into_iter().chain([documented.clone()]) {
        let home = Home::new();
        SqliteInbox::open(home.path().join("onramp.db")).await.unwrap().close().await.unwrap();
        let (child, mut lines) = home.listen(&example);
        let written = [next(&mut lines).await, next(&mut lines).await];
        assert!(written[0].contains("http://127.0.0.1:"), "{example}: {written:?}");
        if example == documented {
            assert_eq!(written.map(|line| shape(&line)).to_vec(), expected.iter().map(|line| shape(line)).collect::<Vec<_>>());
        }
        assert_eq!(stop(child).await, Some(0), "{example}");
    }
}

#[tokio::test]
async fn the_examples_of_reconcile_run() {
    let (home, provider) = (Home::new(), FakeProvider::start().await);
    SqliteInbox::open(home.path().join("shop.db")).await.unwrap().close().await.unwrap();
    for example in examples("reconcile").await {
        let example = example.replace("/tmp/", &format!("{}/", home.path().display()));
        let mut shell = home.shell(&example);
        shell
            .env("DATABASE_URL", "sqlite://shop.db")
            .env("WERT_API_KEY", FakeProvider::API_KEY)
            .env("WERT_API_URL", provider.url());
        let ran = Ran::of(shell).await;
        assert_eq!(ran.code, Some(0), "{example}: {ran:?}");
    }
}

#[tokio::test]
async fn the_example_and_the_transcript_of_widget_start_one_and_store_its_purchase() {
    let (home, provider) = (Home::new(), FakeProvider::start().await);
    let inbox = SqliteInbox::open(home.path().join("shop.db")).await.unwrap();
    let (documented, expected) = transcript("onramp-webhooks widget");
    for example in examples("widget init").await.into_iter().chain([documented]) {
        let mut shell = home.shell(&example);
        shell.env("DATABASE_URL", "sqlite://shop.db");
        shell.env("KRIPTOMAT_TOKEN", FakeProvider::TOKEN).env("KRIPTOMAT_API_URL", provider.url());
        let ran = Ran::of(shell).await;
        let (address, uuid) = ran.out.trim().split_once("&uuid=").unwrap();
        assert_eq!((ran.code, address), (Some(0), expected[0].split_once("&uuid=").unwrap().0), "{ran:?}");
        assert!(inbox.purchases().find(&uuid.into()).await.unwrap().started.is_some(), "{example}");
        let asked = provider.requests().pop().unwrap().json();
        assert_eq!(asked["additional_fields[0]"], "customer-42");
    }
    for (arguments, code, text) in [
        (&["--token", FakeProvider::TOKEN][..], 0, "was not stored"),
        (&[], 2, "export KRIPTOMAT_TOKEN"),
        (&["--token", "hush"], 1, "401"),
        (&["--token", "hush", "--address", "0x1"], 2, "asset_type"),
        (&["--token-file", "/nowhere"], 1, "--token-file: reading /nowhere"),
        (&["--token", "hush", "--fiat", "35", "--crypto", "1"], 2, "--crypto"),
        (&["--token", "hush", "--field", "customer"], 2, "NAME=TEXT"),
    ] {
        let ran = run(&[&["widget", "init", "--api-url", &provider.url()], arguments].concat()).await;
        assert!(ran.code == Some(code) && ran.err.contains(text) && !ran.err.contains("hush"), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn the_examples_of_completions_and_man_write_their_files() {
    let home = Home::new();
    for name in ["completions", "man"] {
        for example in examples(name).await {
            let example = example.replace('~', &home.path().display().to_string());
            let ran = home.ran(&example).await;
            assert_eq!(ran.code, Some(0), "{example}: {ran:?}");
            let written = Path::new(example.split_whitespace().last().unwrap());
            assert!(written.is_dir() || std::fs::metadata(written).unwrap().len() > 1_000, "{example}");
        }
    }
}

/// Returns the lines after `$ COMMAND` in the README.
fn transcript(begins_with: &str) -> (String, Vec<String>) {
    let readme = include_str!("../README.md");
    let after = readme.split_once(&format!("```text\n$ {begins_with}")).unwrap().1;
    let block = after.split_once("\n```").unwrap().0;
    let (command, output) = block.split_once('\n').unwrap();
    (format!("{begins_with}{command}"), output.lines().map(str::to_owned).collect())
}

/// Replaces what differs in each run: numbers, ids, secrets and the widths of columns.
fn shape(line: &str) -> String {
    let word = |word: &str| {
        let mut shape = String::new();
        for letter in word.chars() {
            let letter = if letter.is_ascii_digit() { '0' } else { letter };
            if letter != '0' || !shape.ends_with('0') {
                shape.push(letter);
            }
        }
        match word {
            id if id.contains('…') => "ID".to_owned(),
            link if link.contains("#k=") => link.split_once("#k=").unwrap().0.replace(|letter: char| letter.is_ascii_digit(), ""),
            secret if secret.contains("/dev-") => {
                secret.split_once("/dev-").unwrap().0.replace(|letter: char| letter.is_ascii_digit(), "")
            }
            code if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => "CODE".to_owned(),
            _ => shape.replace("0.0", "0"),
        }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_transcript_of_trigger_is_what_it_writes() {
    let home = Home::new();
    let (child, mut lines) = home.listen("onramp-webhooks listen --no-store");
    let wert = next(&mut lines).await.split_whitespace().nth(1).unwrap().to_owned();
    let (documented, expected) = transcript("onramp-webhooks trigger wert checkout");
    let ran = home.ran(&documented.replace("http://127.0.0.1:8080/webhooks/wert/SECRET", &wert)).await;
    let written: Vec<_> = ran.out.lines().map(shape).collect();
    assert_eq!(written, expected.iter().map(|line| shape(line)).collect::<Vec<_>>(), "{}", ran.out);
    assert_eq!(stop(child).await, Some(0));
}

/// Answers the first request with 204 and all others with 500, one connection for each.
async fn target() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/purchases", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 65_536];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            answer = "HTTP/1.1 500 Error\r\nconnection: close\r\ncontent-length: 24\r\n\r\n{\"error\":\"no such user\"}";
        }
    });
    url
}

#[tokio::test]
async fn the_transcript_of_listen_is_what_it_writes() {
    let (home, target) = (Home::new(), target().await);
    let (documented, expected) = transcript("onramp-webhooks listen --forward-to");
    let line = documented.replace("http://127.0.0.1:3000/purchases", &target);
    let (child, mut lines) = home.listen(&line);
    let mut written = Vec::new();
    while written.len() < 6 {
        written.push(next(&mut lines).await);
    }
    let order = ["--order", "01M7C0AAAAAAAAAAAAAA27ZG82", "--set", "order.quote_amount=49.00", "--set", "order.quote=EUR"];
    let trigger = async |arguments: &[&str]| {
        let mut command = command();
        command.args(["trigger", "wert"]).args(arguments).env("XDG_RUNTIME_DIR", home.path().join("run"));
        assert_eq!(Ran::of(command).await.code, Some(0));
    };
    let body = home.path().join("body");
    std::fs::write(&body, run(&[&["trigger", "wert", "order_complete", "--print", "body"], &order[..]].concat()).await.out)
        .unwrap();
    let file = ["--file", body.to_str().unwrap()];
    trigger(&file).await;
    written.extend([next(&mut lines).await, next(&mut lines).await]);
    trigger(&file).await;
    written.push(next(&mut lines).await);
    trigger(&["login"]).await;
    assert!(next(&mut lines).await.contains("login"));
    written.push(next(&mut lines).await);
    let shown: Vec<_> = written.iter().map(|line| shape(&line.replace(&target, "http://127.0.0.1:3000/purchases"))).collect();
    let expected: Vec<_> = expected.iter().map(|line| shape(&line.replace("newest delivery #214", "empty"))).collect();
    assert_eq!(shown, expected, "{written:#?}");
    assert_eq!(stop(child).await, Some(0));
}

/// Makes the inbox of the examples: two dead letters, an order that waits, and a conflict with it.
async fn inbox_of_the_examples() -> Shop {
    let shop = Shop::on_sqlite().await;
    for (number, amount) in ["250.00", "49.99"].into_iter().enumerate() {
        let error = format!("insert into points: no column currency, attempt {number}");
        shop.dead(&format!("01M7BZ4Q0EXAMPLE{number}"), "customer-42", amount, &error).await;
    }
    shop.order("01M7BZ4Q0EXAMPLE0000WHBPVM", "customer-42", "250.00").await;
    shop.order("01M7BZ4Q0EXAMPLE0000WHBPVM", "customer-42", "950.00").await;
    shop
}

#[tokio::test]
async fn the_examples_of_doctor_run() {
    let home = Home::new();
    let (child, mut lines) = home.listen("onramp-webhooks listen");
    let wert = next(&mut lines).await.split_whitespace().nth(1).unwrap().to_owned();
    let url = wert.rsplit_once('/').unwrap().0;
    while !next(&mut lines).await.contains("Try") {}
    let reading = tokio::spawn(async move { while lines.next_line().await.unwrap().is_some() {} });
    for example in examples("doctor").await {
        let example = example.replace("http://127.0.0.1:8080/webhooks/wert", url);
        let mut shell = home.shell(&example);
        shell.env("DATABASE_URL", "sqlite://onramp.db");
        let ran = Ran::of(shell).await;
        assert!(ran.code == Some(0) && ran.out.contains("✓ ok       store"), "{example}: {ran:?}");
    }
    assert_eq!(stop(child).await, Some(0));
    reading.await.unwrap();
}

#[tokio::test]
async fn the_transcript_of_doctor_is_what_it_writes() {
    let home = Home::new();
    SqliteInbox::open(home.path().join("shop.db")).await.unwrap().close().await.unwrap();
    let (documented, expected) = transcript("onramp-webhooks doctor");
    let mut shell = home.shell(&documented);
    shell.env("DATABASE_URL", "sqlite://shop.db");
    let ran = Ran::of(shell).await;
    let written: Vec<_> = ran.out.lines().map(shape).collect();
    assert_eq!(written, expected.iter().map(|line| shape(line)).collect::<Vec<_>>(), "{}", ran.out);
}

/// Runs a line of the documentation on a shop's inbox, with pipes and redirections.
async fn ran_on(shop: &Shop, line: &str) -> Ran {
    let home = Home::new();
    let mut shell = home.shell("true");
    shell.env("DATABASE_URL", &shop.url).current_dir(shop.folder.path());
    let mut with_line = Command::new("sh");
    with_line.args(["-c", line]).envs(shell.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    with_line.current_dir(shop.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ran::of(with_line).await
}

#[tokio::test]
async fn the_examples_of_inbox_order_and_status_run() {
    let commands = [
        "status",
        "order",
        "order show",
        "inbox",
        "inbox list",
        "inbox show",
        "inbox find",
        "inbox diff",
        "inbox replay",
        "inbox resolve",
        "inbox reopen",
        "inbox release",
        "inbox forget",
        "inbox prune",
        "inbox watch",
        "inbox stats",
        "inbox export",
        "inbox import",
    ];
    for name in commands {
        for example in examples(name).await {
            let shop = inbox_of_the_examples().await;
            // The examples say 1 for the first delivery, 2 for another dead letter, and 4 for the conflict.
            let expected = match example.as_str() {
                example if example.starts_with("onramp-webhooks status") => 3,
                // The delivery was not resolved before.
                example if example.contains("inbox reopen 4") => 3,
                example if example.contains("inbox release") => 1,
                _ => 0,
            };
            let (worker, _) = shop.worker(&[]);
            let example = example.replace("--until-empty parked", "--until-empty parked --interval 20ms");
            let ran = match example.contains("resolve 4") || example.contains("diff 4") || example.contains("status") {
                true => {
                    worker.shutdown().await;
                    ran_on(&shop, &example).await
                }
                false => {
                    let ran = ran_on(&shop, &example).await;
                    worker.shutdown().await;
                    ran
                }
            };
            assert_eq!(ran.code, Some(expected), "{example}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn every_subcommand_of_inbox_has_examples() {
    let help = run(&["inbox", "--help"]).await.out;
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names = commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    for name in names {
        assert!(!examples(&format!("inbox {name}")).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn the_transcripts_of_status_and_replay_are_what_they_write() {
    let shop = inbox_of_the_examples().await;
    let (documented, expected) = transcript("onramp-webhooks status");
    let ran = ran_on(&shop, &documented).await;
    let shaped = |text: &str| {
        // A receiver stores what it has received once a minute, so the last day may be missing.
        text.lines()
            .filter(|line| !line.starts_with("24 h"))
            .map(|line| shape(&line.replace("01M7BZ4Q0EXAMPLE0000WHBPVM,", "01M7BZ4Q0…,").replace(" ms", " s")))
            .collect::<Vec<_>>()
    };
    assert_eq!(shaped(&ran.out), shaped(&expected.join("\n")), "{}", ran.out);

    let (worker, _) = shop.worker(&[]);
    let (documented, expected) = transcript("onramp-webhooks inbox replay");
    let ran = ran_on(&shop, &documented).await;
    worker.shutdown().await;
    let written = format!("{}{}", ran.err, ran.out);
    let expected: Vec<_> = expected.iter().map(|line| shape(&line.replace(" ms", " s"))).collect();
    assert_eq!(shaped(&written), expected, "{written}");
}

#[tokio::test]
async fn the_transcript_of_stats_is_what_it_writes() {
    let shop = Shop::on_sqlite().await;
    shop.has_traffic().await;
    let (documented, expected) = transcript("onramp-webhooks inbox stats");
    let ran = ran_on(&shop, &documented).await;
    let shaped = |line: &str| shape(&line.replace(" ms", " s"));
    let written: Vec<_> = ran.out.lines().map(shaped).collect();
    assert_eq!(written, expected.iter().map(|line| shaped(line)).collect::<Vec<_>>(), "{}", ran.out);
}
