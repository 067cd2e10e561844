//! The commands `inbox`, `order` and `status` on both databases.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[macro_use]
mod operator;
mod program;

use std::sync::atomic::Ordering;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Settled, State};
use onramp_webhooks_sqlite::rusqlite;
use onramp_webhooks_testkit::events;
use serde_json::Value;

use crate::operator::{Shop, completion};
use crate::program::{Ran, run};

/// Returns the JSON objects of a list.
fn objects(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn succeeded(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[track_caller]
fn refused(ran: &Ran, because: &str) {
    assert!(ran.code == Some(4) && ran.err.contains(because), "{ran:?}");
}

on_both! {
    async fn lists_show_money_and_no_personal_data(shop: Shop) {
        let dead = shop.dead("O1", "customer-20418", "250.00", "no user customer-20418, attempt 7").await;
        shop.order("O2", "customer-7", "49.99").await;
        let list = shop.run(&["inbox", "list"]).await;
        succeeded(&list);
        let rows: Vec<_> = list.out.lines().collect();
        assert!(rows.len() == 2 && rows[0].contains("○ pending") && rows[0].contains("49.99 USD for 0.004 BTC"), "{}", list.out);
        assert!(rows[1].contains("✗ dead letter") && rows[1].contains("O1") && rows[1].contains("no user •••, attempt 7"));
        assert!(!list.out.contains("customer-"), "{}", list.out);
        assert!(shop.run(&["inbox", "ls", "--reveal"]).await.out.contains("no user customer-20418"));

        let json = objects(&shop.run(&["inbox", "list", "--state", "dead", "--json"]).await);
        let [delivery] = json.as_slice() else { panic!("{json:?}") };
        assert_eq!((&delivery["object"], &delivery["id"]), (&"delivery".into(), &dead.to_string().into()));
        assert_eq!(delivery["paid"], serde_json::json!({ "amount": "250.00", "currency": "USD" }));
        assert_eq!((&delivery["subject"], &delivery["cause"]), (&"wert/order/O1".into(), &"attempts used up".into()));
        assert_eq!(delivery["note"], "no user •••, attempt 7");

        for (arguments, rows) in [
            (&["--state", "dead,conflict"][..], 1),
            (&["--type", "order_complete"], 2),
            (&["--order", "O2"], 1),
            (&["--error", "no user"], 1),
            (&["--error", "other"], 0),
            (&["--reason", "exhausted"], 1),
            (&["--reason", "handler"], 0),
            (&["--endpoint", "wert", "--provider", "wert"], 2),
            (&["--endpoint", "kriptomat"], 0),
            (&["--since", "1h"], 2),
            (&["--until", "1h"], 0),
            (&["--resolved"], 0),
            (&["--limit", "1"], 1),
            (&["--limit", "0"], 0),
            (&["--before", &dead.to_string()], 0),
            (&[&*dead.to_string()], 1),
        ] {
            let ran = shop.run(&[&["inbox", "list"], arguments].concat()).await;
            assert!(ran.code == Some(0) && ran.out.lines().count() == rows, "{arguments:?}: {ran:?}");
        }
        let page = shop.run(&["inbox", "list", "--limit", "1"]).await;
        assert!(page.err.contains("--before"), "the next page is named: {}", page.err);
        for wrong in [&["--state", "gone"][..], &["--since", "yesterday"], &["7", "--state", "dead"], &["seven"], &["--reason", "x"]] {
            let ran = shop.run(&[&["inbox", "list"], wrong].concat()).await;
            assert_eq!(ran.code, Some(2), "{wrong:?}: {ran:?}");
        }
    }

    async fn groups_have_the_money_of_their_purchases(shop: Shop) {
        for (number, amount) in ["250.00", "49.99", "0.01"].into_iter().enumerate() {
            shop.dead(&format!("O{number}"), "customer-20418", amount, &format!("no column for customer-20418, id {number}")).await;
        }
        shop.dead("O9", "customer-20418", "1", "timeout").await;
        let groups = objects(&shop.run(&["inbox", "list", "--state", "dead", "--group-by", "error", "--json"]).await);
        assert_eq!((&groups[0]["group"], &groups[0]["deliveries"]), (&"no column for •••, id …".into(), &3.into()));
        assert_eq!(groups[0]["paid"], serde_json::json!([{ "amount": "300.00", "currency": "USD" }]));
        for field in ["type", "endpoint", "day"] {
            let ran = shop.run(&["inbox", "list", "--group-by", field]).await;
            assert!(ran.code == Some(0) && ran.out.lines().count() == 1 && ran.out.contains("301.00 USD"), "{field}: {ran:?}");
        }
    }

    async fn a_delivery_is_shown_masked_revealed_and_raw(shop: Shop) {
        let id = shop.dead("O1", "customer-20418", "250.00", "no user customer-20418").await.to_string();
        let shown = shop.run(&["inbox", "show", &id]).await;
        succeeded(&shown);
        for visible in ["✗ dead letter", "250.00 USD for 0.004 BTC", "wert/order/O1", "no user •••", r#""click_id": "cu•••18""#] {
            assert!(shown.out.contains(visible), "{visible}: {}", shown.out);
        }
        assert!(!shown.out.contains("20418") && !shown.out.contains("d182a"), "{}", shown.out);
        let revealed = shop.run(&["inbox", "get", &id, "--reveal"]).await;
        assert!(revealed.out.contains("no user customer-20418") && revealed.out.contains("bc1q5d182a80d"), "{}", revealed.out);
        let json = shop.run(&["inbox", "show", &id, "--json"]).await.json();
        assert!(json["body"].as_str().unwrap().contains("250.00") && !json.to_string().contains("20418"), "{json}");
        assert_eq!(shop.run(&["inbox", "show", &id, "--raw"]).await.out, completion("O1", "customer-20418", "250.00"));

        for unknown in [&["show", "999"][..], &["diff", "999"], &["replay", "999", "--yes"], &["forget", "999"], &["list", "999"]] {
            let ran = shop.run(&[&["inbox"], unknown].concat()).await;
            assert!(ran.code == Some(1) && ran.err.contains("there is no delivery 999") && ran.err.contains('→'), "{ran:?}");
        }
        let no_conflict = shop.run(&["inbox", "diff", &id]).await;
        assert!(no_conflict.code == Some(1) && no_conflict.err.contains("contradicts none"), "{no_conflict:?}");
    }

    async fn a_large_body_is_shown_in_part_and_written_in_whole(shop: Shop) {
        let body = format!(r#"{{"type":"login","click_id":"customer-20418","more":[{}]}}"#, vec!["123456789"; 100_000].join(","));
        let id = shop.receive("wert", body.clone()).await.to_string();
        let shown = shop.run(&["inbox", "show", &id]).await;
        assert!(shown.code == Some(0) && shown.out.len() < 400_000 && shown.out.contains("its beginning"), "{}", shown.out.len());
        assert!(!shown.out.contains("123456789") && !shown.out.contains("20418"));
        assert!(shop.run(&["inbox", "show", &id, "--raw"]).await.out == body, "the bytes are exact");
        succeeded(&shop.run(&["inbox", "find", "customer-20418"]).await);
    }

    async fn orders_customers_and_transactions_are_found(shop: Shop) {
        let order = shop.order("O1", "customer-20418", "250.00").await.to_string();
        shop.order("O2", "other", "1.00").await;
        let uuid = events::uuid().to_uppercase();
        let postback = format!(
            r#"{{"uuid":"{uuid}","amount":1,"asset_type":"eth","fiat_amount":"35","to_address":"0x1","0":"Zo\u00eb \"Z\""}}"#
        );
        let postback = shop.receive("kriptomat", postback).await.to_string();
        for (text, id) in [("O1", &order), ("customer-20418", &order), ("bc1q5d182a80", &order), (&uuid.to_lowercase(), &postback)] {
            let ran = shop.run(&["inbox", "find", text, "--limit", "9"]).await;
            assert!(ran.code == Some(0) && ran.out.contains(&format!("#{id} ")), "{text}: {ran:?}");
        }
        assert_eq!(shop.run(&["inbox", "find", "O1"]).await.out.lines().count(), 1, "it is shown once");
        assert_eq!(shop.run(&["inbox", "find", "USD", "--limit", "1"]).await.out.lines().count(), 1);
        let nothing = shop.run(&["inbox", "find", "nobody"]).await;
        assert!(nothing.code == Some(0) && nothing.out.is_empty() && nothing.err.contains("--since 90d"), "{nothing:?}");
        assert!(shop.run(&["inbox", "find", "customer-20418", "--since", "0s"]).await.out.is_empty());
        assert_eq!(shop.run(&["inbox", "find", " "]).await.code, Some(2));
    }

    async fn a_conflict_is_compared_with_the_first(shop: Shop) {
        let first = shop.order("O1", "customer-20418", "250.00").await;
        let second = shop.order("O1", "customer-20419", "950.00").await;
        let diff = shop.run(&["inbox", "diff", &second.to_string()]).await;
        succeeded(&diff);
        assert!(diff.out.contains(r#"order.quote_amount  "250.00""#) && diff.out.contains(r#""950.00""#), "{}", diff.out);
        assert!(diff.out.contains("click_id") && !diff.out.contains("2041") && !diff.out.contains("order.id"), "{}", diff.out);
        assert!(diff.err.contains(&format!("inbox resolve {second} --note")), "{}", diff.err);
        assert!(shop.run(&["inbox", "diff", &second.to_string(), "--reveal"]).await.out.contains("customer-20419"));
        let json = shop.run(&["inbox", "diff", &second.to_string(), "--json"]).await.json();
        assert_eq!((&json["first_id"], &json["first_state"]), (&first.to_string().into(), &"pending".into()));
        assert_eq!(json["differences"].as_array().unwrap().len(), 2);
        shop.inbox.resolve(Timestamp::now(), second, "").await.unwrap();
        shop.inbox.forget(second).await.unwrap();
        assert_eq!(shop.run(&["inbox", "diff", &second.to_string()]).await.code, Some(1), "a body was removed");
    }

    async fn nothing_is_replayed_without_a_confirmation(shop: Shop) {
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.push(shop.dead(&format!("O{number}"), "customer-20418", "250.00", "no column").await);
        }
        let unconfirmed = shop.run(&["inbox", "replay", "--state", "dead"]).await;
        refused(&unconfirmed, "replay has to be confirmed");
        assert!(unconfirmed.err.contains("3 deliveries") && unconfirmed.err.contains("750.00 USD"), "{}", unconfirmed.err);
        refused(&shop.run_with(&["inbox", "replay", "--state", "dead"], "3\n").await, "has to be confirmed");
        refused(&shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--max", "2"]).await, "3 deliveries match, and --max is 2");
        refused(&shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--expect", "2"]).await, "--expect 2");
        let dry = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--dry-run"]).await;
        assert!(dry.code == Some(0) && dry.out.lines().count() == 3 && dry.err.contains("nothing was changed"), "{dry:?}");
        assert_eq!(shop.run(&["inbox", "replay", "--yes"]).await.code, Some(2), "something has to be selected");
        for id in &ids {
            assert_eq!(shop.state(*id).await, State::Dead);
        }
        let none = shop.run(&["inbox", "replay", "--error", "another", "--yes"]).await;
        assert!(none.code == Some(0) && none.err.contains("no delivery matches"), "{none:?}");
        refused(&shop.run(&["inbox", "replay", "--error", "another", "--yes", "--expect", "1"]).await, "0 deliveries match");
    }

    async fn replays_wait_until_the_shop_has_handled_them(shop: Shop) {
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(shop.dead(&format!("O{number}"), "customer-20418", "250.00", "no column").await);
        }
        let (worker, handled) = shop.worker(&[]);
        let ran = shop.run(&["inbox", "retry", "--error", "no column", "--yes", "--expect", "5", "--rate", "1000/s"]).await;
        assert_eq!((ran.code, handled.load(Ordering::SeqCst)), (Some(0), 5), "{ran:?}");
        assert!(ran.out.starts_with(&format!("#{}  handled in ", ids[0])) && ran.out.ends_with("5 of 5 handled\n"), "{}", ran.out);
        refused(&shop.run(&["inbox", "replay", &ids[0].to_string(), "--yes"]).await, "nothing was replayed");
        assert_eq!(handled.load(Ordering::SeqCst), 5, "what was handled is not handled again");
        worker.shutdown().await;
    }

    async fn a_first_failure_leaves_the_others_unchanged(shop: Shop) {
        let first = shop.dead("O1", "customer-bad", "250.00", "no user").await;
        let second = shop.dead("O2", "customer-good", "250.00", "no user").await;
        let (worker, handled) = shop.worker(&["customer-bad"]);
        let ran = shop.run(&["inbox", "replay", "--state", "dead", "--yes"]).await;
        assert!(ran.code == Some(3) && ran.out.contains("0 of 2 handled, 1 failed again, 1 unchanged"), "{ran:?}");
        assert!(ran.out.contains("failed again, dead: no user •••") && !ran.out.contains("customer"), "{}", ran.out);
        assert_eq!((shop.state(first).await, shop.state(second).await), (State::Dead, State::Dead));
        assert_eq!(shop.show(second).await.note.as_deref(), Some("no user"), "it was not touched");
        let all = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--first", "0", "--json"]).await;
        assert_eq!((all.code, handled.load(Ordering::SeqCst)), (Some(3), 1), "{all:?}");
        let objects = objects(&all);
        let summary = objects.last().unwrap();
        assert_eq!((&summary["handled"], &summary["failed"], &summary["left"]), (&1.into(), &1.into(), &0.into()));
        worker.shutdown().await;
    }

    async fn failures_in_a_row_end_a_replay(shop: Shop) {
        for number in 0..20 {
            shop.dead(&format!("O{number}"), "customer-bad", "250.00", &format!("before {number}")).await;
        }
        let (worker, _) = shop.worker(&["customer-bad"]);
        let ran = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--first", "0", "--stop-after", "2", "--json"]).await;
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let summary = objects(&ran).pop().unwrap();
        let (failed, left) = (summary["failed"].as_u64().unwrap(), summary["left"].as_u64().unwrap());
        assert!((2..=3).contains(&failed) && failed + left == 20, "{summary}");
        worker.shutdown().await;
    }

    async fn a_replay_without_a_worker_ends(shop: Shop) {
        let first = shop.dead("O1", "customer-20418", "250.00", "no column").await;
        let second = shop.dead("O2", "customer-20418", "250.00", "no column").await;
        let ran = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--wait", "300ms"]).await;
        assert!(ran.code == Some(1) && ran.err.contains("no worker has taken the delivery"), "{ran:?}");
        assert!(ran.out.contains("1 waiting for a worker, 1 unchanged"), "{ran:?}");
        assert_eq!((shop.state(first).await, shop.state(second).await), (State::Pending, State::Dead));
        let ran = shop.run(&["inbox", "replay", "--state", "dead", "--yes", "--no-wait"]).await;
        assert!(ran.code == Some(0) && ran.out.contains("1 due"), "{ran:?}");
        assert_eq!(shop.state(second).await, State::Pending);
    }

    async fn two_operators_replay_each_delivery_once(shop: Shop) {
        for number in 0..20 {
            shop.dead(&format!("O{number}"), "customer-20418", "250.00", "no column").await;
        }
        let (worker, handled) = shop.worker(&[]);
        let arguments = ["inbox", "replay", "--error", "no column", "--yes"];
        let (first, second) = tokio::join!(shop.run(&arguments), shop.run(&arguments));
        for ran in [&first, &second] {
            assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
        }
        assert_eq!(handled.load(Ordering::SeqCst), 20, "{first:?} {second:?}");
        assert_eq!(shop.inbox.open_counts().await.unwrap().of(State::Dead), 0);
        worker.shutdown().await;
    }

    async fn what_could_pay_twice_needs_its_id(shop: Shop) {
        let first = shop.order("O1", "customer-20418", "250.00").await;
        shop.settle(Settled::Handled).await;
        let conflict = shop.order("O1", "customer-20418", "950.00").await;
        let (worker, handled) = shop.worker(&[]);
        let (first_id, conflict_id) = (first.to_string(), conflict.to_string());
        refused(&shop.run(&["inbox", "replay", &first_id, "--yes"]).await, "nothing was replayed");
        refused(&shop.run(&["inbox", "replay", &conflict_id, "--yes"]).await, "nothing was replayed");
        for (id, flag, meaning) in [
            (&first_id, "--even-handled", "credits the purchase again"),
            (&conflict_id, "--even-conflicts", "the customer is credited for both"),
        ] {
            assert_eq!(shop.run(&["inbox", "replay", id, flag, "--yes"]).await.code, Some(2), "--yes is not enough");
            assert_eq!(shop.run(&["inbox", "replay", "--state", "dead", flag]).await.code, Some(2), "one id");
            assert_eq!(shop.run(&["inbox", "replay", &first_id, &conflict_id, flag]).await.code, Some(2), "one id");
            for answer in ["", "y\n", "yes\n", "0\n"] {
                let ran = shop.run_with(&["inbox", "replay", id, flag], answer).await;
                refused(&ran, "not confirmed");
                assert!(ran.err.contains(meaning), "{}", ran.err);
            }
            let before = handled.load(Ordering::SeqCst);
            succeeded(&shop.run_with(&["inbox", "replay", id, flag], &format!("{id}\n")).await);
            assert_eq!(handled.load(Ordering::SeqCst), before + 1, "{flag}");
        }
        worker.shutdown().await;
    }

    async fn what_need_not_be_handled_is_resolved_and_reopened(shop: Shop) {
        let dead = shop.dead("O1", "customer-20418", "250.00", "no column").await;
        let id = dead.to_string();
        refused(&shop.run(&["inbox", "resolve", &id, "--note", "paid by hand"]).await, "has to be confirmed");
        assert_eq!(shop.run(&["inbox", "resolve", &id, "--yes"]).await.code, Some(2), "a note is required");
        for empty in ["", " \t\n", "\u{a0}"] {
            let ran = shop.run(&["inbox", "resolve", &id, "--note", empty, "--yes"]).await;
            assert!(ran.code == Some(2) && ran.err.contains("--note") && shop.show(dead).await.resolved_at.is_none(), "{ran:?}");
        }
        succeeded(&shop.run(&["inbox", "resolve", &id, "--note", " paid customer-20418 by hand\n", "--yes"]).await);
        assert_eq!(shop.show(dead).await.resolution.as_deref(), Some("paid customer-20418 by hand"));
        assert!(shop.run(&["inbox", "show", &id]).await.out.contains("paid ••• by hand"));
        assert!(shop.run(&["inbox", "list", "--state", "dead"]).await.out.is_empty());
        assert!(shop.run(&["inbox", "list", "--state", "dead", "--resolved"]).await.out.contains("dead letter, resolved"));
        succeeded(&shop.run(&["inbox", "reopen", "--state", "dead", "--yes", "--expect", "1"]).await);
        assert_eq!(shop.show(dead).await.resolved_at, None);
    }

    async fn a_purchase_that_was_not_started_is_released(shop: Shop) {
        let uuid = events::uuid();
        let body = format!(r#"{{"uuid":"{uuid}","amount":1,"asset_type":"eth","fiat_amount":"35","to_address":"0x1","0":"Ada"}}"#);
        let held = shop.receive("kriptomat", body).await;
        let (worker, handled) = shop.worker(&[]);
        worker.idle().await;
        assert_eq!((shop.state(held).await, shop.show(held).await.cause), (State::Dead, Some(DeadCause::RefusedByCheck)));
        let unknown = shop.run(&["inbox", "release", &events::uuid(), "--yes"]).await;
        assert!(unknown.code == Some(1) && unknown.err.contains("there is no delivery about"), "{unknown:?}");
        refused(&shop.run(&["inbox", "release", &uuid]).await, "release has to be confirmed");
        let ran = shop.run(&["inbox", "release", &uuid.to_uppercase(), "--yes"]).await;
        assert!(ran.code == Some(0) && ran.err.contains("35.00 EUR"), "{ran:?}");
        succeeded(&shop.run(&["inbox", "watch", "--until-empty", "pending,leased", "--interval", "20ms"]).await);
        assert_eq!((shop.state(held).await, handled.load(Ordering::SeqCst)), (State::Handled, 1));
        refused(&shop.run(&["inbox", "release", &uuid, "--yes"]).await, "is held back");
        worker.shutdown().await;
    }

    async fn a_delivery_is_forgotten_after_its_id_was_typed(shop: Shop) {
        let pending = shop.order("O1", "customer-20418", "250.00").await;
        refused(&shop.run_with(&["inbox", "forget", &pending.to_string()], &format!("{pending}\n")).await, "still waits");
        shop.settle(Settled::Handled).await;
        let id = pending.to_string();
        succeeded(&shop.run(&["inbox", "forget", &id, "--dry-run"]).await);
        let dry = shop.run(&["inbox", "forget", &id, "--dry-run", "--json"]).await;
        assert_eq!((dry.code, objects(&dry).len()), (Some(0), 1), "{dry:?}");
        let dry = dry.json();
        assert_eq!((&dry["object"], &dry["id"], &dry["state"]), (&"delivery".into(), &id.as_str().into(), &"handled".into()));
        assert!(!dry.to_string().contains("20418"), "{dry}");
        refused(&shop.run_with(&["inbox", "forget", &id], "y\n").await, "not confirmed");
        assert!(shop.show(pending).await.body.is_some());
        succeeded(&shop.run_with(&["inbox", "forget", &id], &format!("{id}\n")).await);
        assert!(shop.show(pending).await.body.is_none());
        assert!(shop.run(&["inbox", "show", &id]).await.out.contains("removed"));
        let raw = shop.run(&["inbox", "show", &id, "--raw"]).await;
        assert!(raw.code == Some(1) && raw.err.contains("was removed"), "{raw:?}");
    }

    async fn an_order_is_a_timeline(shop: Shop) {
        let started = completion("O1", "customer-20418", "250.00").replace("order_complete", "payment_started");
        shop.receive("wert", started).await;
        shop.settle(Settled::Handled).await;
        let complete = shop.dead("O1", "customer-20418", "250.00", "no user customer-20418").await;
        shop.order("O2", "customer-20418", "250.00").await;
        let order = shop.run(&["order", "show", "O1"]).await;
        succeeded(&order);
        let lines: Vec<_> = order.out.lines().collect();
        assert!(lines.len() == 3 && lines[0] == "wert/order/O1", "{}", order.out);
        assert!(lines[1].contains("✓ handled") && lines[1].contains("payment_started"), "{}", order.out);
        assert!(lines[2].contains(&format!("#{complete}")) && lines[2].contains("no user •••"), "{}", order.out);
        assert_eq!(objects(&shop.run(&["order", "show", "O1", "--json"]).await).len(), 2);
        let unknown = shop.run(&["order", "show", "O7"]).await;
        assert!(unknown.code == Some(1) && unknown.err.contains("inbox find"), "{unknown:?}");
    }

    async fn status_lists_problems_with_commands_that_mend_them(shop: Shop) {
        let calm = shop.run(&["status"]).await;
        assert!(calm.code == Some(0) && calm.out.contains("nothing needs attention") && calm.out.contains("empty"), "{calm:?}");
        for number in 0..2 {
            let error = format!("insert into points: column of customer-20418 is missing, {number}");
            shop.dead(&format!("O{number}"), "customer-20418", "250.00", &error).await;
        }
        shop.order("O7", "customer-20418", "250.00").await;
        let conflict = shop.order("O7", "customer-20418", "950.00").await;
        let status = shop.run(&["status"]).await;
        assert_eq!(status.code, Some(3), "{status:?}");
        for line in ["2 items need attention", "completed purchases: 500.00 USD", "backlog  pending 1; oldest due for"] {
            assert!(status.out.contains(line), "{line}: {}", status.out);
        }
        assert!(status.out.contains(&format!("order O7, 250.00 USD, then 950.00 USD\n    → onramp-webhooks inbox diff {conflict}")) || status.out.contains(&format!("→ onramp-webhooks inbox diff {conflict}")), "{}", status.out);
        assert!(!status.out.contains("20418"), "{}", status.out);
        let json = shop.run(&["status", "--json"]).await.json();
        assert_eq!(json["attention"][0]["paid"], serde_json::json!([{ "amount": "500.00", "currency": "USD" }]));

        let (worker, handled) = shop.worker(&[]);
        let command = json["attention"][0]["command"].as_str().unwrap();
        assert!(command.starts_with("onramp-webhooks inbox replay --reason exhausted --error "), "{command}");
        let words: Vec<String> = command.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        }).collect();
        let mut arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        arguments.push("--yes");
        let mended = shop.run(&arguments).await;
        assert!(mended.code == Some(0) && handled.load(Ordering::SeqCst) >= 2, "{mended:?}");
        worker.shutdown().await;
        succeeded(&shop.run(&["inbox", "resolve", &conflict.to_string(), "--note", "x", "--yes"]).await);
        assert_eq!(shop.run(&["status"]).await.code, Some(0));
    }

    async fn stats_say_what_was_received_and_handled(shop: Shop) {
        let nothing = shop.run(&["inbox", "stats"]).await;
        assert_eq!((nothing.code, &*nothing.out), (Some(0), "0 received, 0 refused in the last 24h\n"));
        shop.has_traffic().await;
        let stats = shop.run(&["inbox", "stats", "--since", "1h"]).await;
        for line in ["2 received, 1 refused in the last 1h", "acknowledged: p50 at most", "1  request  not found", "1  attempt  dead"] {
            assert!(stats.out.contains(line), "{line}: {}", stats.out);
        }
        let addresses = shop.run(&["inbox", "stats", "--by", "address", "--since", "1h"]).await;
        assert!(addresses.out.contains("1  203.0.113.9"), "{addresses:?}");
        let by_time = shop.run(&["inbox", "stats", "--by", "time"]).await;
        assert!(by_time.out.lines().last().unwrap().contains("2 received  1 refused"), "{by_time:?}");
        let endpoints = shop.run(&["inbox", "stats", "--by", "endpoint"]).await;
        assert!(endpoints.out.contains("wert  fine\n    2 received, 1 refused; last delivery: 20"), "{endpoints:?}");
        let processes = shop.run(&["inbox", "stats", "--by", "process"]).await;
        assert!(processes.out.trim_end().ends_with("running"), "{processes:?}");
        let json = shop.run(&["inbox", "stats", "--since", "1h", "--json"]).await.json();
        assert_eq!(json["total"]["attempts"], serde_json::json!({ "dead": 1, "handled": 1 }));
        assert_eq!(json["total"]["acknowledged"]["count"], 2);
        assert_eq!((json["steps"].as_array().unwrap().len(), json["processes"].as_array().unwrap().len()), (60, 1));
        let kriptomat = shop.run(&["inbox", "stats", "--since", "1h", "--endpoint", "kriptomat", "--json"]).await.json();
        assert_eq!(kriptomat["endpoints"][0]["last_received_at"], serde_json::Value::Null);
        assert_eq!((&kriptomat["total"]["received"], kriptomat["endpoints"].as_array().unwrap().len()), (&0.into(), 1));
        let status = shop.run(&["status"]).await;
        assert!(status.out.contains("24 h     2 received, 1 refused; acknowledged: p50 at most"), "{status:?}");
        assert_eq!(shop.run(&["status", "--json"]).await.json()["last_24h"]["refused"], 1);
        assert_eq!(shop.run(&["inbox", "stats", "--since", "2h"]).await.code, Some(2));
    }

    async fn the_history_says_what_happened_and_who_saw_the_data(shop: Shop) {
        let id = shop.dead("O1", "customer-20418", "250.00", "no user customer-20418").await.to_string();
        succeeded(&shop.run(&["inbox", "replay", &id, "--yes", "--no-wait"]).await);
        let revealed = Ran::of({
            let mut command = shop.command(&["inbox", "show", &id, "--reveal"]);
            command.env("USER", "grace");
            command
        })
        .await;
        succeeded(&revealed);
        let shown = shop.run(&["inbox", "show", &id]).await.out;
        for line in ["dead", "no user •••", "replayed", "revealed", "grace"] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert!(!shown.contains("20418"), "{shown}");
        let json = shop.run(&["inbox", "show", &id, "--json"]).await.json();
        let kinds: Vec<_> = json["history"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["dead", "replayed", "revealed"]);
    }

    async fn an_export_moves_every_delivery_to_another_database_once(shop: Shop) {
        shop.dead("O1", "customer-20418", "250.00", "no column").await;
        shop.order("O2", "customer-7", "1.00").await;
        shop.settle(Settled::Handled).await;
        shop.order("O2", "customer-7", "2.00").await;
        shop.receive("wert", vec![0xff, 0x00, b'\n']).await;
        shop.order("O3", "customer-7", "3.00").await;
        let export = shop.run(&["inbox", "export", "-q"]).await;
        assert!(export.code == Some(0) && export.out.lines().count() == 5 && export.err.is_empty(), "{export:?}");
        assert_eq!(shop.run(&["inbox", "export", "--state", "dead"]).await.out.lines().count(), 1);
        assert_eq!(shop.run(&["inbox", "export", "--limit", "2"]).await.out.lines().count(), 2);
        assert_eq!(shop.run(&["inbox", "export", "1"]).await.out.lines().count(), 1);

        let other = Shop::on_sqlite().await;
        let dry = other.run_with(&["inbox", "import", "-", "--dry-run"], &export.out).await;
        assert!(dry.code == Some(0) && dry.out.starts_with("5 lines: 5 new") && dry.out.contains("nothing was added"), "{dry:?}");
        assert!(other.run(&["inbox", "list"]).await.out.is_empty());
        let import = other.run_with(&["inbox", "import", "-"], &export.out).await;
        assert!(import.code == Some(0) && import.out.starts_with("5 lines: 5 new, 0 known, 0 conflicts, 0 rejected"), "{import:?}");
        let file = other.folder.path().join("export.jsonl");
        std::fs::write(&file, &export.out).unwrap();
        let again = other.run(&["inbox", "import", file.to_str().unwrap(), "--json"]).await.json();
        assert_eq!((&again["known"], &again["new"]), (&5.into(), &0.into()), "{again}");
        let moved = other.run(&["inbox", "export", "-q"]).await.out;
        let without_ids = |text: &str| text.lines().map(|line| line.split_once("\"endpoint\"").unwrap().1.to_owned()).collect::<Vec<_>>();
        assert_eq!(without_ids(&moved), without_ids(&export.out));

        let conflicting = completion("O1", "customer-20418", "9.00");
        other.receive("wert", completion("O9", "x", "1.00")).await;
        let third = Shop::on_sqlite().await;
        third.receive("wert", conflicting).await;
        let broken = format!("{{\n\n{}{{\"object\":\"delivery\"}}\n\u{1b}[2J\n", export.out);
        let found = third.run_with(&["inbox", "import", "-"], &broken).await;
        assert!(found.code == Some(3) && found.out.contains("4 new, 0 known, 1 conflicts, 3 rejected"), "{found:?}");
        for line in ["line 1:", "line 3: contradicts delivery 1", "line 8:", "line 9:"] {
            assert!(found.err.contains(line), "{line}: {}", found.err);
        }
        assert!(!found.err.contains('\u{1b}'), "{:?}", found.err);
        assert_eq!(third.run(&["inbox", "import", "/nowhere"]).await.code, Some(1));
    }

    async fn hostile_text_never_reaches_the_terminal(shop: Shop) {
        let hostile = "a\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}b\u{2066}c\u{200b}\r\n\u{7f}<b>'\"`$(x)";
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let text = json(hostile);
        let dead = shop.receive("wert", completion("O1", hostile, "1.00")).await;
        shop.settle(Settled::Dead { cause: DeadCause::RefusedByHandler, error: hostile.to_owned() }).await;
        let unknown = format!(r#"{{"type":{text},"click_id":{text},{text}:{text},"order":{{"id":{text},"base":{text},"quote":{text}}}}}"#);
        let other = shop.receive("wert", unknown).await;
        shop.settle(Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: hostile.to_owned() }).await;
        let broken = shop.receive("wert", hostile).await;
        let bad = format!(r#"{{"type":"order_complete","click_id":{text},"order":{{"id":{text},"quote_amount":{text}}}}}"#);
        let bad = shop.receive("wert", bad).await;
        let first = shop.receive("wert", completion(hostile, "x", "1.00")).await;
        let conflict = shop.receive("wert", completion(hostile, hostile, "2.00")).await;
        shop.inbox.resolve(Timestamp::now(), broken, hostile).await.unwrap();
        let ids = [dead, other, broken, bad, first, conflict].map(|id| id.to_string());
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["inbox", "list"],
            vec!["inbox", "list", "--group-by", "error"],
            vec!["inbox", "list", "--group-by", "type"],
            vec!["status"],
            vec!["inbox", "find", "<b>"],
            vec!["inbox", "find", hostile.trim_end()],
            vec!["order", "show", hostile],
            vec!["inbox", "replay", "--state", "dead,quarantined", "--dry-run"],
            vec!["inbox", "replay", "--error", hostile, "--yes", "--no-wait"],
            vec!["inbox", "diff", &ids[5]],
            vec!["inbox", "release", hostile],
            vec!["inbox", "list", "--state", hostile],
        ];
        commands.extend(ids.iter().map(|id| vec!["inbox", "show", id.as_str()]));
        for command in commands {
            for more in [&[][..], &["--json", "--reveal"], &["--color", "always", "--reveal"]] {
                let ran = shop.run(&[&command, more].concat()).await;
                let is_styled = more.contains(&"always");
                let shown = if is_styled { without_styles(&format!("{}{}", ran.out, ran.err)) } else { format!("{}{}", ran.out, ran.err) };
                assert!(!shown.is_empty(), "{command:?}");
                let raw = shown.chars().find(|letter| (letter.is_control() && *letter != '\n') || "\u{202e}\u{2066}\u{200b}".contains(*letter));
                assert_eq!(raw, None, "{command:?} {more:?}: {shown:?}");
            }
        }
    }
}

/// Removes the styles that the program writes, and no other escape sequence.
fn without_styles(text: &str) -> String {
    let styles = ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[4m"];
    styles.iter().fold(text.to_owned(), |text, style| text.replace(style, ""))
}

#[tokio::test]
async fn commands_that_read_do_so_while_another_process_has_locked_the_file() {
    let shop = Shop::on_sqlite().await;
    let id = shop.dead("O1", "customer-20418", "250.00", "no column").await.to_string();
    let file = shop.folder.path().join("shop.db");
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (arguments, code) in [
        (&["status"][..], 3),
        (&["inbox", "list"], 0),
        (&["inbox", "show", &id], 0),
        (&["inbox", "show", &id, "--reveal"], 0),
        (&["inbox", "find", "O1"], 0),
        (&["inbox", "export"], 0),
        (&["order", "show", "O1"], 0),
    ] {
        let ran = shop.run(arguments).await;
        assert!(ran.code == Some(code) && !ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
    let locked = shop.run(&["inbox", "resolve", &id, "--note", "x", "--yes"]).await;
    assert!(locked.code == Some(1) && locked.err.contains("error:"), "{locked:?}");
    lock.execute_batch("ROLLBACK").unwrap();
    succeeded(&shop.run(&["inbox", "resolve", &id, "--note", "x", "--yes"]).await);

    let known: i64 = lock.query_row("SELECT max(version) FROM onramp_schema", [], |row| row.get(0)).unwrap();
    lock.execute("INSERT INTO onramp_schema VALUES (?1, ?1)", [known + 7]).unwrap();
    for arguments in [&["status"][..], &["inbox", "reopen", &id, "--yes"]] {
        let newer = shop.run(arguments).await;
        assert!(newer.code == Some(1) && newer.err.contains("update the program"), "{newer:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_ends_watching_and_waiting_with_130() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let shop = Shop::on_sqlite().await;
    let dead = shop.dead("O1", "customer-20418", "250.00", "no column").await;
    let interrupt = async |mut child: tokio::process::Child| {
        let id = child.id().unwrap().to_string();
        assert!(tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
        tokio::time::timeout(Duration::from_secs(60), child.wait()).await.unwrap().unwrap().code()
    };
    let mut watch = shop.command(&["inbox", "watch", "--interval", "20ms"]).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("dead letter"), "it begins with earlier ones");
    let pending = shop.order("O2", "customer-7", "1.00").await;
    assert!(lines.next_line().await.unwrap().unwrap().contains(&format!("#{pending}  ○ pending")), "it shows new ones");
    assert_eq!(interrupt(watch).await, Some(130));

    let replay = shop.command(&["inbox", "replay", &dead.to_string(), "--yes"]).spawn().unwrap();
    while shop.state(dead).await != State::Pending {
        tokio::task::yield_now().await;
    }
    assert_eq!(interrupt(replay).await, Some(130), "it waits for a worker");
}

#[tokio::test]
async fn a_database_that_goes_away_is_waited_for() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    for arguments in [&["inbox", "watch", "--interval", "20ms", "--json"][..], &["status", "--watch", "--json"]] {
        let shop = Shop::on_sqlite().await;
        shop.receive("wert", "no event").await;
        let (file, elsewhere) = (shop.folder.path().join("shop.db"), shop.folder.path().join("moved.db"));
        let mut watch = shop.command(arguments).spawn().unwrap();
        let mut shown = BufReader::new(watch.stdout.take().unwrap()).lines();
        let mut noted = BufReader::new(watch.stderr.take().unwrap()).lines();
        shown.next_line().await.unwrap().unwrap();
        std::fs::rename(&file, &elsewhere).unwrap();
        let away = noted.next_line().await.unwrap().unwrap();
        assert!(away.contains("shop.db") && away.ends_with("; waiting"), "{away}");
        std::fs::rename(&elsewhere, &file).unwrap();
        assert!(noted.next_line().await.unwrap().unwrap().contains("the database is back"));
        shop.receive("wert", "no event either").await;
        assert!(shown.next_line().await.unwrap().unwrap().contains("quarantined"));
        watch.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_an_error_that_says_why() {
    for arguments in [&["status"][..], &["inbox", "list"], &["inbox", "show", "1"], &["order", "show", "O1"]] {
        let missing = run(&[arguments, &["--database-url", "sqlite:///nowhere/shop.db"]].concat()).await;
        assert!(missing.code == Some(1) && missing.err.contains("there is no file"), "{missing:?}");
        assert_eq!(run(&[arguments, &["--database-url", "mysql://x"]].concat()).await.code, Some(2));
        assert_eq!(run(arguments).await.code, Some(2), "the address is missing");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["status", "--database-url", &format!("postgres://shop@{nobody}/shop")]).await;
    assert!(ran.code == Some(1) && ran.err.contains("Connection refused"), "{ran:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.db");
    std::fs::write(&file, "not a database at all, but long enough to look at").unwrap();
    let ran = run(&["status", "--database-url", &format!("sqlite://{}", file.display())]).await;
    assert!(ran.code == Some(1) && ran.err.contains("opening the database"), "{ran:?}");
}
