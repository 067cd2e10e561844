//! Changes of many deliveries: those that cannot be changed are named, and stay as they are.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[macro_use]
mod operator;
mod program;

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, DeadCause, Settled, State};

use crate::operator::{Shop, completion};
use crate::program::Ran;

const PRUNE: [&str; 6] = ["inbox", "prune", "--state", "handled,dead,conflict,quarantined", "--older-than", "0s"];

#[track_caller]
fn is(ran: &Ran, code: i32, texts: &[&str]) {
    let all = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == Some(code) && texts.iter().all(|text| all.contains(text)), "{texts:?}: {ran:?}");
}

on_both! {
    async fn old_bodies_are_pruned_by_state(shop: Shop) {
        let dead = shop.dead("O1", "customer-20418", "250.00", "no column").await;
        let handled = shop.order("O2", "customer-20418", "250.00").await;
        shop.settle_at(Timestamp::now().before(Duration::from_secs(1_800)), Settled::Handled).await;
        let prune = ["inbox", "prune", "--state", "handled", "--older-than"];
        is(&shop.run(&[&prune[..], &["10m"]].concat()).await, 4, &["prune has to be confirmed"]);
        is(&shop.run(&[&prune[..], &["1h", "--yes"]].concat()).await, 0, &["0 pruned"]);
        assert!(shop.show(handled).await.body.is_some(), "it is younger");
        is(&shop.run(&[&prune[..], &["10m", "--yes"]].concat()).await, 0, &["1 pruned"]);
        assert!(shop.show(handled).await.body.is_none() && shop.show(dead).await.body.is_some());
        is(&shop.run(&["inbox", "prune", "--state", "pending", "--older-than", "0s", "--yes"]).await, 2, &["still waits"]);
    }

    async fn what_nobody_has_settled_is_not_pruned(shop: Shop) {
        let handled = shop.order("O1", "customer-20418", "1.00").await;
        shop.settle(Settled::Handled).await;
        let dead = shop.dead("O2", "customer-20418", "250.00", "no column").await;
        let settled = shop.dead("O3", "customer-20418", "9.00", "no column").await;
        let conflict = shop.order("O1", "customer-20418", "2.00").await;
        let noise = shop.receive("wert", "no event").await;
        shop.inbox.resolve(Timestamp::now(), settled, "paid by hand").await.unwrap();

        let dry = shop.run(&[&PRUNE[..], &["--dry-run"]].concat()).await;
        is(&dry, 0, &["2 to prune", "3 unresolved stay; completed purchases: 252.00 USD, 1 unclear", "nothing was changed"]);
        let json = shop.run(&[&PRUNE[..], &["--dry-run", "--json"]].concat()).await.json();
        assert_eq!((&json["matching"], &json["removed"], &json["unresolved"]), (&2.into(), &0.into(), &3.into()));
        for id in [handled, dead, settled, conflict, noise] {
            assert!(shop.show(id).await.body.is_some(), "a dry run changes nothing");
        }
        let run = shop.run(&[&PRUNE[..], &["--yes"]].concat()).await;
        is(&run, 0, &["2 pruned", "3 unresolved stay"]);
        for (id, has_body) in [(handled, false), (dead, true), (settled, false), (conflict, true), (noise, true)] {
            assert_eq!(shop.show(id).await.body.is_some(), has_body, "{id}");
        }
        shop.inbox.resolve(Timestamp::now(), noise, "a scanner").await.unwrap();
        is(&shop.run(&[&PRUNE[..], &["--yes"]].concat()).await, 0, &["1 pruned", "2 unresolved stay"]);
        assert!(shop.inbox.show(noise).await.unwrap().is_none(), "quarantined deliveries are removed whole");
    }

    async fn what_cannot_be_resolved_or_reopened_is_named(shop: Shop) {
        let dead = shop.dead("O1", "customer-20418", "250.00", "no column").await.to_string();
        let pending = shop.order("O2", "customer-20418", "1.00").await.to_string();
        let resolve = ["inbox", "resolve", "--note", "x"];
        for (ids, why) in [(&[&*pending][..], "still waits to be handled"), (&["999"], "#999  refused: there is no such delivery")] {
            for more in [&["--yes"][..], &["--dry-run"]] {
                is(&shop.run(&[&resolve[..], ids, more].concat()).await, 3, &[why]);
                is(&shop.run(&[&["inbox", "reopen"], ids, more].concat()).await, 3, &["refused"]);
            }
        }
        is(&shop.run(&["inbox", "reopen", &dead, "--yes"]).await, 3, &["it is not resolved"]);
        let some = shop.run(&[&resolve[..], &[&dead, &pending, "999", "--yes"]].concat()).await;
        is(&some, 3, &[&format!("#{dead}  resolved"), &format!("#{pending}  refused"), "#999  refused"]);
        let json = shop.run(&["inbox", "reopen", "999", "--yes", "--json"]).await.json();
        assert_eq!((&json["outcome"], &json["reason"]), (&"refused".into(), &"there is no such delivery".into()));
        is(&shop.run(&["inbox", "reopen", &dead, "--yes"]).await, 0, &["reopened"]);
        is(&shop.run(&[&resolve[..], &["--state", "handled", "--yes"]].concat()).await, 2, &["cannot be resolved"]);
    }

    async fn a_dry_import_finds_what_the_import_finds(shop: Shop) {
        shop.dead("O1", "customer-20418", "250.00", "no column").await;
        shop.order("O2", "customer-20418", "2.00").await;
        shop.receive("wert", "no event").await;
        let lines: Vec<String> = shop.run(&["inbox", "export", "-q"]).await.out.lines().map(str::to_owned).collect();
        let waiting: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        let edited = |name: &str, value: serde_json::Value| {
            let mut line = waiting.clone();
            line[name] = value;
            line.to_string()
        };
        let export = [
            &*lines[0],
            "{",
            &edited("body", serde_json::Value::Null),
            &edited("state", "unknown".into()),
            &lines[1],
            &lines[1],
            &edited("fingerprint", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()),
            &edited("subject", "wert/order/O9".into()),
            &lines[2],
        ]
        .join("\n");
        let other = Shop::on_sqlite().await;
        other.order("O9", "customer-20418", "1.00").await;
        other.dead("O1", "customer-20418", "250.00", "no column").await;
        let dry = other.run_with(&["inbox", "import", "-", "--dry-run"], &export).await;
        assert_eq!(other.inbox.counts().await.unwrap().of(State::Quarantined), 0, "a dry run adds nothing");
        let run = other.run_with(&["inbox", "import", "-"], &export).await;
        is(&run, 3, &["9 lines: 2 new, 2 known, 2 conflicts, 3 rejected", "line 2:", "line 3:", "line 4:", "line 7:", "line 8:"]);
        assert_eq!((dry.code, dry.out.replace(" (nothing was added)", "")), (run.code, run.out));
        // The run names a delivery where the dry run names the line that it would be added from.
        let reasons = |text: &str| {
            let lines = text.lines().map(|line| line.replace("contradicts line 5", "contradicts delivery 3"));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(reasons(&dry.err), reasons(&run.err));
    }

    async fn a_refused_delivery_among_others_is_a_finding(shop: Shop) {
        let handled = shop.order("O1", "customer-20418", "250.00").await.to_string();
        shop.settle(Settled::Handled).await;
        let first = shop.dead("O2", "customer-20418", "49.99", "no column").await.to_string();
        let second = shop.dead("O3", "customer-20418", "49.99", "no column").await.to_string();
        let replay = ["inbox", "replay", "--yes", &*handled];
        is(&shop.run(&[&replay[..], &["--no-wait", &first]].concat()).await, 3, &["0 of 2 handled, 1 due, 1 not replayed"]);
        let (worker, _) = shop.worker(&[]);
        is(&shop.run(&[&replay[..], &[&second]].concat()).await, 3, &["1 of 2 handled, 1 not replayed", "it was handled"]);
        is(&shop.run(&replay).await, 4, &["nothing was replayed"]);
        worker.shutdown().await;
    }

    async fn an_unknown_result_is_said_in_words(shop: Shop) {
        let unknown = shop.order("O1", "customer-20418", "250.00").await;
        shop.settle(Settled::Dead { cause: DeadCause::TransactionEnded, error: "commit in the handler".to_owned() }).await;
        let other = shop.dead("O2", "customer-20418", "49.99", "no column").await;
        is(&shop.run(&["inbox", "list"]).await, 0, &["✗ dead letter, result unknown"]);
        is(&shop.run(&["inbox", "show", &unknown.to_string()]).await, 0, &["✗ dead letter, result unknown"]);
        is(&shop.run(&["status"]).await, 3, &["the result is unknown: the handler may have succeeded"]);
        let dry = shop.run(&["inbox", "replay", "--state", "dead", "--dry-run"]).await;
        is(&dry, 0, &["completed purchases: 299.99 USD; 1 with an unknown result"]);

        let (worker, _) = shop.worker(&[]);
        let ran = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--first", "0"]).await;
        is(&ran, 3, &["1 of 2 handled, 1 not replayed with an unknown result", "its handler may have succeeded", "--even-handled"]);
        assert_eq!((shop.state(unknown).await, shop.state(other).await), (State::Dead, State::Handled));
        worker.shutdown().await;
    }

    async fn money_that_is_not_known_is_unclear(shop: Shop) {
        shop.dead("O1", "customer-20418", "250.00", "no column").await;
        let removed = shop.dead("O2", "customer-20418", "49.99", "no column").await;
        shop.inbox.forget(removed).await.unwrap();
        is(&shop.run(&["inbox", "list", "--group-by", "type"]).await, 0, &["250.00 USD, 1 unclear"]);
        is(&shop.run(&["status"]).await, 3, &["    1 unclear\n", "    completed purchases: 250.00 USD\n"]);
        let dry = shop.run(&["inbox", "resolve", "--state", "dead", "--note", "x", "--dry-run"]).await;
        is(&dry, 0, &["completed purchases: 250.00 USD, 1 unclear"]);
    }

    async fn a_delivery_that_a_worker_handles_is_not_said_to_wait(shop: Shop) {
        let dead = shop.dead("O1", "customer-20418", "250.00", "no column").await;
        let id = dead.to_string();
        let replay = shop.command(&["inbox", "replay", &id, "--yes", "--wait", "2s"]).spawn().unwrap();
        while shop.state(dead).await != State::Pending {
            tokio::task::yield_now().await;
        }
        let claim = ClaimRequest::new(1, Duration::from_secs(60));
        assert_eq!(shop.inbox.claim(Timestamp::now(), claim).await.unwrap().deliveries.len(), 1);
        let ran = Ran::from(replay.wait_with_output().await.unwrap());
        is(&ran, 1, &["0 of 1 handled, 1 being handled", "a worker still handles"]);
    }

    async fn notes_of_a_body_that_cannot_be_read_are_masked(shop: Shop) {
        let noise = shop.receive("wert", "{ Ada, customer-20418").await;
        shop.inbox.resolve(Timestamp::now(), noise, "refunded customer-20418 by hand").await.unwrap();
        let id = noise.to_string();
        for command in [&["inbox", "show", &*id][..], &["inbox", "show", &id, "--json"], &["inbox", "list", &id, "--json"]] {
            let ran = shop.run(command).await;
            is(&ran, 0, &["refunded … by hand"]);
            assert!(!ran.out.contains("20418"), "{ran:?}");
        }
        is(&shop.run(&["inbox", "show", &id, "--reveal"]).await, 0, &["refunded customer-20418 by hand"]);
    }
}

/// Returns the lines of an export of two deliveries, and an inbox that has none of them.
async fn export_of_two() -> ([String; 2], Shop) {
    let shop = Shop::on_sqlite().await;
    shop.order("O1", "customer-20418", "250.00").await;
    shop.order("O2", "customer-20418", "49.99").await;
    let export = shop.run(&["inbox", "export", "-q"]).await.out;
    let lines: Vec<String> = export.lines().map(str::to_owned).collect();
    (lines.try_into().unwrap(), Shop::on_sqlite().await)
}

#[tokio::test]
async fn a_line_that_is_longer_than_any_delivery_is_rejected_and_the_others_are_added() {
    use std::io::{Seek, SeekFrom, Write};

    let ([first, second], shop) = export_of_two().await;
    let path = shop.folder.path().join("export.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "{first}").unwrap();
    file.seek(SeekFrom::Current(150 << 20)).unwrap();
    write!(file, "\n{second}\n").unwrap();
    // The last line has no end.
    let length = file.stream_position().unwrap() + (65 << 20);
    file.set_len(length).unwrap();
    let import = ["inbox", "import", path.to_str().unwrap()];
    for (more, new) in [(&["--dry-run"][..], 2), (&[], 2), (&[], 0)] {
        let ran = shop.run(&[&import[..], more].concat()).await;
        let counts = format!("4 lines: {new} new, {} known, 0 conflicts, 2 rejected", 2 - new);
        is(&ran, 3, &[&counts, "line 2: longer than any delivery", "line 4: longer than any delivery"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_import_that_cannot_read_on_says_what_was_added() {
    let shop = Shop::on_sqlite().await;
    let folder = shop.folder.path().to_str().unwrap();
    is(&shop.run(&["inbox", "import", folder]).await, 1, &["0 lines: 0 new, 0 known", "reading the export"]);
    let ran = shop.run(&["inbox", "import", folder, "--json"]).await;
    assert_eq!((ran.code, &ran.json()["lines"]), (Some(1), &0.into()), "{ran:?}");
}

#[tokio::test]
async fn one_byte_order_mark_may_precede_an_export() {
    let ([first, second], shop) = export_of_two().await;
    let ran = shop.run_with(&["inbox", "import", "-"], &format!("\u{feff}{first}\r\n{second}\r\n")).await;
    is(&ran, 0, &["2 lines: 2 new, 0 known, 0 conflicts, 0 rejected"]);
    let ran = shop.run_with(&["inbox", "import", "-"], &format!("\u{feff}\n{first}\n\u{feff}{second}")).await;
    is(&ran, 3, &["3 lines: 0 new, 1 known, 0 conflicts, 1 rejected", "line 3:"]);
    let ran = shop.run_with(&["inbox", "import", "-"], &format!("\u{feff}\u{feff}{first}")).await;
    is(&ran, 3, &["1 rejected", "line 1:"]);
}

#[tokio::test]
async fn a_repeated_import_adds_only_deliveries_without_a_key() {
    let shop = Shop::on_sqlite().await;
    shop.order("O1", "customer-20418", "250.00").await;
    shop.receive("wert", "no event").await;
    shop.receive("wert", r#"{"type":"test"}"#).await;
    let export = shop.run(&["inbox", "export", "-q"]).await.out;
    assert_eq!(export.lines().count(), 3, "{export}");
    is(&shop.run_with(&["inbox", "import", "-"], &export).await, 0, &["3 lines: 1 new, 2 known"]);
    let help = shop.run(&["inbox", "import", "--help"]).await.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("adds no delivery twice that has a key") && !help.contains("adds nothing twice"), "{help}");
}

/// Waits until a program ends whose standard output has lost its reader.
#[cfg(unix)]
#[tokio::test]
async fn commands_that_read_end_when_their_reader_has_gone() {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, BufReader};

    let shop = Shop::on_sqlite().await;
    for number in 0..3_000 {
        shop.receive("wert", completion(&format!("O{number}"), "customer-20418", "1.00")).await;
    }
    for arguments in [
        &["inbox", "list", "--limit", "3000"][..],
        &["inbox", "export"],
        &["inbox", "find", "customer-20418", "--limit", "3000"],
        &["inbox", "watch", "--last", "1", "--interval", "20ms"],
        &["inbox", "watch", "--last", "1000", "--json"],
        &["order", "show", "O1"],
    ] {
        let mut child = shop.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next_line().await.unwrap().is_some(), "{arguments:?}");
        drop(lines);
        let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
        let ran = Ran::from(ended.unwrap_or_else(|_| panic!("{arguments:?} goes on")).unwrap());
        assert!(ran.code == Some(0) && !ran.err.contains("error") && !ran.err.contains("panicked"), "{arguments:?}: {ran:?}");
        assert!(!ran.err.contains("3000 deliveries exported"), "{arguments:?} has read everything");
    }
}

#[tokio::test]
async fn status_goes_on_and_lists_what_has_changed() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let shop = Shop::on_sqlite().await;
    let mut child = shop.command(&["status", "--watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || -> serde_json::Value { serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap() };
    assert_eq!(next().await["attention"], serde_json::json!([]));
    shop.receive("wert", "no event").await;
    assert_eq!(next().await["attention"][0]["kind"], "quarantined");
    drop(lines);
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait()).await.unwrap();
    assert_eq!(ended.unwrap().code(), Some(3), "its reader has gone");
}
