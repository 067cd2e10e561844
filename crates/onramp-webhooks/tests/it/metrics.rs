//! Metrics and their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use onramp_webhooks::Wert;
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{ClaimRequest, Inbox, MemoryInbox};
use onramp_webhooks::purchases::{KnownPurchases, MemoryPurchaseStore, Purchase, PurchaseStore};
use onramp_webhooks_testkit::events::{Postback, WertOrder, wert_account, wert_test};

use crate::faulty::{Faulty, InboxCall};
use crate::spill::harness as spill;
use crate::tools::{Door, endpoint};
use crate::worker::harness::{Do, Harness, Remembering, rest};

/// The values of every metric, by name and labels as Prometheus writes them.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct Metric {
    seen: Seen,
    name: String,
}

impl Seen {
    fn metric(&self, key: &Key) -> Arc<Metric> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Metric { seen: self.clone(), name: format!("{}{{{}}}", key.name(), labels.join(",")) })
    }

    /// The counters, and how often each histogram and gauge was written; without the gauges that are written every minute.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts: BTreeMap<_, _> =
            self.0.lock().unwrap().iter().map(|(name, values)| (name.clone(), values.len())).collect();
        let every_minute = ["may_be_disabled", "silence_seconds", "healthy", "webhooks_workers"];
        counts.retain(|name, _| !every_minute.iter().any(|gauge| name.contains(gauge)));
        counts
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.0.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    /// Runs `test` with everything in it counted here.
    fn during(&self, test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        metrics::with_local_recorder(self, || runtime.block_on(test));
    }
}

impl Metric {
    fn write(&self, value: f64) {
        self.seen.0.lock().unwrap().entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        (0..value).for_each(|_| self.write(1.0));
    }

    fn absolute(&self, _: u64) {
        panic!("nothing here sets a counter")
    }
}

impl GaugeFn for Metric {
    fn increment(&self, _: f64) {
        panic!("nothing here moves a gauge")
    }

    fn decrement(&self, _: f64) {
        panic!("nothing here moves a gauge")
    }

    fn set(&self, value: f64) {
        self.write(value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.write(value);
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| (format!("onramp_webhooks_{name}"), *count)).collect()
}

#[test]
fn the_door_counts_what_arrives() {
    let seen = Seen::default();
    seen.during(async {
        let inbox = Faulty::default();
        let door = Door::new("wert", inbox.clone(), |builder| builder.body_limit(10_000));
        let order = WertOrder::new();
        let secret_type = order.event("a type that a stranger chose");
        for body in [order.complete(), order.complete(), order.fiat("1", "USD").complete(), secret_type, wert_test()] {
            door.post(body).await;
        }
        door.post("{").await;
        door.post(door.unreadable()).await;
        door.post(vec![b'x'; 20_000]).await;
        door.send("POST", "/wert/wrong", None, &[], "").await;
        door.send("POST", "/a/path/that/a/stranger/chose", None, &[], "").await;
        door.send("GET", &door.path, None, &[], "").await;
        inbox.errors(InboxCall::Record, 1);
        door.post(wert_account("login", "C")).await;
    });
    assert_eq!(
        seen.counts(),
        expected(&[
            ("received_total{endpoint=wert,provider=wert,type=order_complete,outcome=new}", 1),
            ("received_total{endpoint=wert,provider=wert,type=order_complete,outcome=duplicate}", 1),
            ("received_total{endpoint=wert,provider=wert,type=order_complete,outcome=conflict}", 1),
            ("received_total{endpoint=wert,provider=wert,type=unknown,outcome=new}", 1),
            ("received_total{endpoint=wert,provider=wert,type=test,outcome=new}", 1),
            ("received_total{endpoint=wert,provider=wert,type=unreadable,outcome=quarantined}", 2),
            ("quarantined_purchases_total{endpoint=wert}", 1),
            ("received_total{endpoint=wert,provider=wert,type=unreadable,outcome=too_large}", 1),
            ("received_total{endpoint=wert,provider=wert,type=unknown,outcome=not_found}", 1),
            ("received_total{endpoint=,provider=,type=unknown,outcome=not_found}", 1),
            ("received_total{endpoint=wert,provider=wert,type=unknown,outcome=method_not_allowed}", 1),
            ("received_total{endpoint=wert,provider=wert,type=login,outcome=not_recorded}", 1),
            ("ack_seconds{endpoint=wert}", 9),
            ("non_2xx_total{endpoint=wert,status=404}", 1),
            ("non_2xx_total{endpoint=,status=404}", 1),
            ("non_2xx_total{endpoint=wert,status=405}", 1),
            ("non_2xx_total{endpoint=wert,status=503}", 1),
        ])
    );
}

#[test]
fn the_spill_counts_what_waits_and_what_moves() {
    let seen = Seen::default();
    let counted = seen.clone();
    seen.during(async move {
        let harness = spill::Harness::new().await;
        harness.primary.is_away();
        let order = WertOrder::new();
        for body in [order.complete(), order.complete(), order.fiat("1", "USD").complete()] {
            harness.post(body).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(counted.values("onramp_webhooks_spill_open{}"), [0.0, 1.0]);
        assert_eq!(counted.values("onramp_webhooks_spill_waiting{}").last(), Some(&3.0));
        let age = counted.values("onramp_webhooks_spill_age_seconds{}").last().copied();
        assert!(age.is_some_and(|age| (50.0..=61.0).contains(&age)), "{age:?}");
        harness.primary.recovers();
        harness.closes().await;
        rest().await;
        assert_eq!(counted.values("onramp_webhooks_spill_open{}"), [0.0, 1.0, 0.0]);
        assert_eq!(counted.values("onramp_webhooks_spill_waiting{}").last(), Some(&0.0));
        assert_eq!(counted.values("onramp_webhooks_spill_age_seconds{}").last(), Some(&0.0));
    });
    let mut counts = seen.counts();
    counts.retain(|name, _| !name.contains("spill_waiting") && !name.contains("spill_age") && !name.contains("ack_"));
    assert_eq!(
        counts,
        expected(&[
            ("received_total{endpoint=wert,provider=wert,type=order_complete,outcome=spilled}", 3),
            ("spilled_total{}", 3),
            ("spill_open{}", 3),
            ("spill_moved_total{outcome=new}", 1),
            ("spill_moved_total{outcome=duplicate}", 1),
            ("spill_moved_total{outcome=conflict}", 1),
        ])
    );
}

#[test]
fn the_door_counts_whom_it_denies_and_how_long_an_answer_takes() {
    let seen = Seen::default();
    seen.during(async {
        let kriptomat = endpoint("kriptomat").allow("192.0.2.1".parse().unwrap());
        let door = Door::with(kriptomat, "kriptomat", MemoryInbox::new(), |builder| builder);
        door.post(door.purchase()).await;

        let inbox = Faulty::default();
        inbox.hangs(InboxCall::Record);
        let slow = Door::with(Wert::with_path_secret("s3cret-for-examples").named("slow"), "wert", inbox, |builder| builder);
        slow.send("POST", "/slow/s3cret-for-examples", None, &[], wert_test()).await;
    });
    assert_eq!(
        seen.counts(),
        expected(&[
            ("received_total{endpoint=kriptomat,provider=kriptomat,type=unknown,outcome=denied}", 1),
            ("non_2xx_total{endpoint=kriptomat,status=403}", 1),
            ("received_total{endpoint=slow,provider=wert,type=test,outcome=not_recorded}", 1),
            ("non_2xx_total{endpoint=slow,status=503}", 1),
            ("ack_seconds{endpoint=slow}", 1),
        ])
    );
    let seconds = seen.values("onramp_webhooks_ack_seconds{endpoint=slow}")[0];
    assert!((4.0..4.1).contains(&seconds), "{seconds}");
}

#[test]
fn the_watchdog_says_every_minute_how_an_endpoint_stands() {
    let seen = Seen::default();
    let counted = seen.clone();
    let last = |name: &str| counted.values(&format!("onramp_webhooks_{name}{{endpoint=wert}}")).last().copied();
    seen.during(async {
        let inbox = Faulty::default();
        let clock = ManualClock::at(Timestamp::from_millis(1_704_067_200_000));
        let door = Door::new("wert", inbox.clone(), |builder| builder.clock(Arc::new(clock.clone())));
        rest().await;
        assert_eq!((last("silence_seconds"), last("may_be_disabled")), (None, Some(0.0)));
        door.post(door.purchase()).await;
        inbox.errors(InboxCall::Record, 3);
        for _ in 0..3 {
            door.post(door.purchase()).await;
        }
        clock.advance(Duration::from_secs(90));
        rest().await;
        assert_eq!((last("silence_seconds"), last("may_be_disabled")), (Some(90.0), Some(1.0)));
        door.post(door.purchase()).await;
        clock.advance(Duration::from_secs(60));
        rest().await;
        assert_eq!((last("silence_seconds"), last("may_be_disabled")), (Some(60.0), Some(0.0)));
        door.post(door.unreadable()).await;
        clock.advance(Duration::from_secs(60));
        rest().await;
        assert_eq!(last("may_be_disabled"), Some(0.0), "a purchase in quarantine does not stop the provider");
    });
}

#[test]
fn the_watchdog_says_every_minute_whether_the_inbox_records() {
    let seen = Seen::default();
    let counted = seen.clone();
    let last = || counted.values("onramp_webhooks_healthy{}").last().copied();
    seen.during(async {
        let inbox = Faulty::default();
        let clock = ManualClock::at(Timestamp::from_millis(1_704_067_200_000));
        let door = Door::new("wert", inbox.clone(), |builder| builder.clock(Arc::new(clock.clone())));
        rest().await;
        assert_eq!(last(), Some(1.0));
        inbox.is_away();
        clock.advance(Duration::from_secs(60));
        rest().await;
        assert_eq!(last(), Some(0.0));
        inbox.recovers();
        assert_eq!((door.receiver.health().await.status(), last()), (200, Some(1.0)));
    });
}

#[test]
fn the_watchdog_says_every_minute_how_many_workers_live() {
    let seen = Seen::default();
    let counted = seen.clone();
    let last = || {
        let workers = |state: &str| counted.values(&format!("onramp_webhooks_workers{{state={state}}}")).last().copied();
        ["running", "silent", "died"].map(workers)
    };
    seen.during(async {
        let harness = Harness::new();
        let worker = harness.receiver.worker(Remembering::default()).spawn();
        rest().await;
        assert_eq!(last(), [Some(1.0), Some(0.0), Some(0.0)]);
        harness.inbox.panics(InboxCall::Claim);
        harness.pass(60);
        rest().await;
        harness.pass(60);
        rest().await;
        assert_eq!(last(), [Some(0.0), Some(0.0), Some(1.0)]);
        drop(worker);
    });
}

#[test]
fn the_worker_counts_its_attempts() {
    let seen = Seen::default();
    let counted = seen.clone();
    seen.during(async move {
        let harness = Harness::new();
        harness.post(WertOrder::new().complete()).await;
        harness.pass(90);
        let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(30)));
        let call = working.call().await;
        assert_eq!(counted.values("onramp_webhooks_backlog_age_seconds{}")[0], 90.0);
        call.answer(Do::Handle);
        for what in [Do::Fail, Do::Refuse, Do::Panic, Do::NotYet(Duration::from_secs(1_000))] {
            harness.post(WertOrder::new().complete()).await;
            working.call().await.answer(what);
        }
        rest().await;
        harness.pass(10_000);
        let calls = [working.call().await, working.call().await, working.call().await];
        for op in [InboxCall::Renew, InboxCall::Claim] {
            harness.inbox.errors(op, usize::MAX);
        }
        harness.pass(30);
        rest().await;
        harness.inbox.recovers();
        let taken = harness.inbox.claim(harness.now(), ClaimRequest::new(10, Duration::from_secs(1_000))).await.unwrap();
        assert_eq!(taken.deliveries.len(), 3);
        calls.into_iter().for_each(|call| call.answer(Do::Handle));
        rest().await;
    });
    let mut counts = seen.counts();
    let of_others = ["backlog", "ack_", "received", "periodic_tasks"];
    counts.retain(|name, _| !of_others.iter().any(|other| name.contains(other)));
    assert_eq!(
        counts,
        expected(&[
            ("attempts_total{provider=wert,result=handled}", 4),
            ("attempts_total{provider=wert,result=retry}", 2),
            ("attempts_total{provider=wert,result=dead}", 1),
            ("attempts_total{provider=wert,result=parked}", 1),
            ("handler_seconds{provider=wert}", 8),
            ("dead_letters_total{provider=wert}", 1),
            ("leases_lost_total{}", 3),
        ])
    );
}

#[test]
fn checks_count_what_they_say_and_the_handlers_time_begins_after_them() {
    let seen = Seen::default();
    seen.during(async {
        let purchases = Arc::new(MemoryPurchaseStore::new());
        let door = Door::new("kriptomat", MemoryInbox::new(), |builder| builder);
        let worker = door.receiver.worker(Remembering::default()).before(KnownPurchases::new(Arc::clone(&purchases))).spawn();
        let (mine, other) = (Postback::new(), Postback::new());
        for postback in [&mine, &other] {
            let started = Purchase::new(postback.uuid().unwrap(), Timestamp::default()).asset_type("eth");
            purchases.start(started).await.unwrap();
        }
        for body in [mine.json(), other.with("asset_type", "btc").json(), Postback::new().json()] {
            assert_eq!(door.post(body).await.status(), 200);
        }
        rest().await;
        worker.shutdown().await;
    });
    let mut counts = seen.counts();
    counts.retain(|name, _| !name.contains("received_") && !name.contains("ack_") && !name.contains("backlog_"));
    assert_eq!(
        counts,
        expected(&[
            ("checks_total{provider=kriptomat,result=passed}", 1),
            ("checks_total{provider=kriptomat,result=refused}", 2),
            ("untrusted_purchases_total{reason=unknown}", 1),
            ("untrusted_purchases_total{reason=different}", 1),
            ("attempts_total{provider=kriptomat,result=handled}", 1),
            ("attempts_total{provider=kriptomat,result=dead}", 2),
            ("handler_seconds{provider=kriptomat}", 1),
            ("dead_letters_total{provider=kriptomat}", 2),
        ])
    );
}
