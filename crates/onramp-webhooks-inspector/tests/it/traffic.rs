//! Traffic and endpoints: what receivers stored in the inbox, as operators and readers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::ManualClock;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, State, TaskState};
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, Receiver, StoreError, Wert};
use onramp_webhooks_inspector::Inspector;
use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};
use onramp_webhooks_testkit::events::WertOrder;
use serde_json::Value;

use crate::tools::{NOW, READER, TOKEN, Under, request};

const MINUTE: Duration = Duration::from_secs(60);

struct Handles;

#[async_trait]
impl Handler for Handles {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn receiver(under: &Under) -> Receiver {
    Receiver::builder(Arc::clone(&under.inbox))
        .endpoint(Wert::without_path_secret().silent_after(60 * MINUTE))
        .endpoint(Kriptomat::production())
        .clock(Arc::new(under.clock.clone()))
        .build()
        .unwrap()
}

/// Receives three events and refuses three requests. The end of the worker stores the counts.
async fn an_hour_of(under: &Under) {
    let receiver = receiver(under);
    let worker = receiver.worker(Handles).spawn();
    let post = async |path: &str, from: &str, body: bytes::Bytes| {
        receiver.receive(&Request::new("POST", path, from.parse().ok(), &[]), Full::new(body)).await.status()
    };
    for _ in 0..3 {
        assert_eq!(post("/wert", "192.0.2.1", WertOrder::new().complete()).await, 200);
    }
    for from in ["203.0.113.9", "203.0.113.9", "203.0.113.10"] {
        assert_eq!(post("/kriptomat", from, "{}".into()).await, 403);
    }
    while under.inbox.counts().await.unwrap().of(State::Handled) != 3 {
        tokio::task::yield_now().await;
    }
    worker.shutdown().await;
}

fn find<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[tokio::test]
async fn the_traffic_has_its_steps_and_its_total() {
    let under = Under::with_tokens();
    an_hour_of(&under).await;
    for (span, steps, step) in [("1h", 60, 60), ("24h", 96, 900), ("7d", 84, 7_200), ("90d", 90, 86_400)] {
        let seen = under.get(TOKEN, &format!("/api/traffic?span={span}")).await.json();
        assert_eq!((&seen["object"], &seen["span"], &seen["step"]), (&"traffic".into(), &span.into(), &step.into()));
        assert_eq!(seen["as_of"], "2023-11-14T22:13:20.000Z");
        let (total, all) = (&seen["total"], seen["steps"].as_array().unwrap());
        assert_eq!((&total["received"], &total["refused"], all.len()), (&3.into(), &3.into(), steps), "{span}");
        assert_eq!((&total["attempts"]["handled"], &total["acknowledged"]["count"]), (&3.into(), &3.into()));
        let sum: u64 = all.iter().map(|step| step["received"].as_u64().unwrap()).sum();
        assert_eq!((sum, &all[0]["at"]), (3, &seen["since"]), "{span}");
        assert_eq!(find(&seen["endpoints"], "kriptomat")["outcomes"]["denied"], 3);
        let process = &seen["processes"][0];
        assert_eq!((&process["running"], &process["started_at"]), (&true.into(), &"2023-11-14T22:13:20.000Z".into()));
    }
    let default = under.get(READER, "/api/traffic").await.json();
    assert_eq!(default["span"], "24h");
}

#[tokio::test]
async fn only_operators_see_addresses() {
    let under = Under::with_tokens();
    an_hour_of(&under).await;
    let addresses = under.get(TOKEN, "/api/traffic?span=1h").await.json()["total"]["refused_from"].clone();
    assert_eq!(addresses[0], serde_json::json!({ "address": "203.0.113.9", "requests": 2 }));
    let reader = under.get(READER, "/api/traffic?span=1h").await;
    assert_eq!((&reader.json()["total"]["refused_from"], &reader.json()["total"]["refused"]), (&Value::Null, &3.into()));
    assert!(!reader.text().contains("203.0.113."), "{}", reader.text());
    let read_only = Inspector::builder(Arc::clone(&under.inbox)).token(TOKEN).read_only().clock(Arc::new(under.clock.clone()));
    let read_only = Under { inspector: read_only.build().unwrap(), inbox: Arc::clone(&under.inbox), clock: under.clock.clone() };
    assert!(!read_only.get(TOKEN, "/api/traffic?span=1h").await.text().contains("203.0.113."));
    for path in ["/api/endpoints", "/api/overview"] {
        assert!(!under.get(TOKEN, path).await.text().contains("203.0.113."), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_time_span_is_refused_and_so_are_other_methods() {
    let under = Under::with_tokens();
    let wrong = under.get(READER, "/api/traffic?span=2h").await;
    wrong.assert_problem(400);
    assert_eq!(wrong.json()["detail"], "The parameter \"span\": the time span must be 1h, 24h, 7d or 90d.");
    under.get(READER, "/api/traffic?window=1h").await.assert_problem(400);
    for path in ["/api/traffic", "/api/endpoints"] {
        under.send(request("GET", path, &[], "")).await.assert_problem(401);
        under.post(TOKEN, path, "{}").await.assert_problem(405);
        assert_eq!(under.get(READER, path).await.status(), 200);
    }
}

#[tokio::test]
async fn a_silent_endpoint_has_its_advice_and_the_commands_for_the_gap() {
    let under = Under::with_tokens();
    let receiver = receiver(&under);
    let post = Request::new("POST", "/wert", None, &[]);
    receiver.receive(&post, Full::new(WertOrder::new().complete())).await;
    let end = async |minutes: u32| {
        under.clock.advance(MINUTE * minutes);
        settle().await;
    };
    end(1).await;
    let fine = under.get(READER, "/api/endpoints").await.json();
    let wert = find(&fine["data"], "wert");
    assert_eq!((&fine["object"], &wert["object"], &wert["verdict"]), (&"list".into(), &"endpoint".into(), &"fine".into()));
    assert_eq!((&wert["received"], &wert["silent_after"], &wert["commands"]), (&1.into(), &3_600.into(), &serde_json::json!([])));
    for _ in 0..61 {
        end(1).await;
    }
    let silent = under.get(READER, "/api/endpoints").await.json();
    let wert = find(&silent["data"], "wert");
    assert_eq!((&wert["verdict"], &wert["last_received"]), (&"silent".into(), &"2023-11-14T22:13:20.000Z".into()));
    assert!(wert["advice"].as_str().unwrap().starts_with("Nothing was received for 1 h"), "{wert}");
    let commands = ["doctor --endpoint wert", "reconcile --endpoint wert --since 2023-11-14T22:13:20.000Z"];
    assert_eq!(wert["commands"], serde_json::json!(commands.map(|command| format!("onramp-webhooks {command}"))));
    assert_eq!(wert["receivers"].as_array().map(Vec::len), Some(1));
    let overview = under.get(READER, "/api/overview").await.json();
    let item = overview["attention"].as_array().unwrap().iter().find(|item| item["kind"] == "silent").unwrap();
    assert_eq!((&item["query"], &item["newest"]), (&"endpoint=wert".into(), &Value::Null));
    drop(receiver);
    end(4).await;
    let ended = under.get(READER, "/api/endpoints").await.json();
    let wert = find(&ended["data"], "wert");
    assert_eq!((&wert["verdict"], &wert["receivers"], &wert["received"]), (&Value::Null, &serde_json::json!([]), &1.into()));
    assert_eq!(wert["last_received"], "2023-11-14T22:13:20.000Z", "the last status is known for a day");
}

/// Lets the tasks of a receiver run until they wait for the clock.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn names_that_others_stored_are_quoted_in_commands() {
    let under = Under::with_tokens();
    let status = r#"{"name":"a'; reboot","provider":"wert","verdict":"refusing","last_received":null,"advice":"<b>"}"#;
    let now = NOW.as_millis();
    let text = format!(r#"[{{"id":"1","version":"9","started_at":{now},"seen_at":{now},"endpoints":[{status}]}}]"#);
    assert!(under.inbox.set_task_state(TaskState::new("traffic/processes").at(0, text)).await.unwrap());
    let found = under.get(TOKEN, "/api/endpoints").await.json();
    assert_eq!(found["data"][0]["commands"][1], r"onramp-webhooks reconcile --endpoint 'a'\''; reboot'");
    assert_eq!(found["data"][0]["last_received"], Value::Null);
}

/// An inbox that counts how often states are read.
#[derive(Debug, Default)]
struct Counting {
    inbox: MemoryInbox,
    reads: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Shared(Arc<Counting>);

#[async_trait]
impl InboxDouble for Shared {
    fn inner(&self) -> &dyn Inbox {
        &self.0.inbox
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call == InboxCall::TaskState {
            self.0.reads.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[tokio::test]
async fn clients_share_a_report_for_five_seconds() {
    let (inbox, clock) = (Arc::new(Counting::default()), ManualClock::at(NOW));
    let builder = Inspector::builder(Double(Shared(Arc::clone(&inbox)))).token(TOKEN).clock(Arc::new(clock.clone()));
    let under = Under { inspector: builder.build().unwrap(), inbox: Arc::default(), clock };
    let reads = async |path: &str| {
        let before = inbox.reads.load(Ordering::SeqCst);
        let answers = join_all((0..20).map(|_| under.get(TOKEN, path))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        inbox.reads.load(Ordering::SeqCst) - before
    };
    let once = reads("/api/traffic").await;
    assert!((1..20).contains(&once), "{once}");
    assert_eq!(reads("/api/endpoints").await, 0, "the endpoints are those of the same report");
    under.clock.advance(Duration::from_millis(4_999));
    assert_eq!(reads("/api/traffic?span=24h").await, 0);
    under.clock.advance(Duration::from_millis(1));
    assert_eq!((reads("/api/endpoints").await, reads("/api/traffic").await), (once, 0));
    assert_eq!(reads("/api/traffic?span=90d").await, once, "each time span has its own");
}
