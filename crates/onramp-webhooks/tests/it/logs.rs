//! Log entries: a subscriber that keeps them, and the entries about the way of an event.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use onramp_webhooks::adapter::{Full, Request, extract};
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::ClientIp;
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::gate::AllowListGate;
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::provider::{Endpoint, Facts, Provider, SignedRequest, VerifyError};
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, Wert, WertEvent, async_trait};
use onramp_webhooks_testkit::events::WertOrder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::tools::{Door, says};
use crate::worker::harness::{Do, Harness, rest};

/// Keeps the entries of some modules up to some level. Clones share them.
#[derive(Clone)]
pub(crate) struct Log {
    target: &'static str,
    level: Level,
    entries: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) message: String,
    fields: BTreeMap<&'static str, String>,
}

impl Entry {
    /// Returns the value of a field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Log {
    /// Listens on this thread to the modules whose path contains `target`, up to `level`, until the guard is dropped.
    pub(crate) fn listen(target: &'static str, level: Level) -> (Self, DefaultGuard) {
        let log = Self { target, level, entries: Arc::default() };
        (log.clone(), tracing::subscriber::set_default(log))
    }

    /// Returns the entries since the last call.
    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock().unwrap())
    }

    /// Returns the messages since the last call.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.take().into_iter().map(|entry| entry.message).collect()
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value,
            name => drop(self.fields.insert(name, value.trim_matches('"').to_owned())),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().contains(self.target) && *metadata.level() <= self.level
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut entry = Entry { level: *event.metadata().level(), message: String::new(), fields: BTreeMap::new() };
        event.record(&mut entry);
        self.entries.lock().unwrap().push(entry);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn an_event_is_logged_when_it_is_recorded_and_when_it_is_handled() {
    let (log, _listening) = Log::listen("onramp_webhooks", Level::DEBUG);
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.complete()).await;
    let id = harness.only().await.id.to_string();
    let recorded = log.take();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!((recorded[0].level, &*recorded[0].message), (Level::DEBUG, "recorded"));
    assert_eq!((recorded[0].field("id"), recorded[0].field("type")), (&*id, "order_complete"));

    let mut working = harness.worker(|worker| worker);
    working.call().await.answer(Do::Handle);
    rest().await;
    let handled = log.take();
    assert_eq!(handled.len(), 1, "{handled:?}");
    assert_eq!((handled[0].level, &*handled[0].message), (Level::DEBUG, "handled"));
    assert_eq!((handled[0].field("id"), handled[0].field("attempt"), handled[0].field("provider")), (&*id, "1", "wert"));

    harness.post(order.complete()).await;
    let duplicate = log.take();
    assert_eq!((&*duplicate[0].message, duplicate[0].field("first")), ("duplicate", &*id));
}

/// Strangers cannot fill the disk with lines of the log.
#[tokio::test]
async fn refusals_are_logged_once_a_second_with_their_number() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let listed = AllowList::new((0..1_000_u32).map(|number| IpAddr::from(number.to_be_bytes())));
    let door = Door::with(Kriptomat::allowing(listed), "kriptomat", MemoryInbox::new(), |builder| builder.clock(clock.clone()));
    let (log, _guard) = Log::listen("receiver", Level::INFO);
    let stranger = Some("203.0.113.7");
    for _ in 0..100 {
        says(&door.send("POST", "/kriptomat", stranger, &[], door.purchase()).await, 403);
        says(&door.send("POST", "/kriptomat/x", stranger, &[], door.purchase()).await, 404);
        says(&door.send("POST", "/.env", stranger, &[], door.purchase()).await, 404);
    }
    let lines = |log: &Log| {
        let number = |entry: &Entry| format!("{}{}", entry.field("denials"), entry.field("refusals"));
        log.take().iter().map(|entry| (entry.message.clone(), number(entry), entry.field("why").len())).collect::<Vec<_>>()
    };
    let first = lines(&log);
    let expected = ["denied", "refused", "refused"].map(|message| (message, "1"));
    assert_eq!(first.iter().map(|(message, number, _)| (&**message, &**number)).collect::<Vec<_>>(), expected);
    assert!(first.iter().all(|(_, _, length)| *length < 100), "the list is not in the line: {first:?}");

    clock.advance(Duration::from_secs(1));
    says(&door.send("POST", "/kriptomat", stranger, &[], door.purchase()).await, 403);
    assert_eq!(lines(&log).iter().map(|(message, number, _)| (&**message, &**number)).collect::<Vec<_>>(), [("denied", "100")]);
}

/// A provider whose signatures never match.
#[derive(Debug)]
struct Signing;

impl Provider for Signing {
    type Event = WertEvent;

    const FACTS: Facts = Facts::new("signing").signed_headers(&["signature"]);

    fn verify(&self, _: &SignedRequest<'_>) -> Result<(), VerifyError> {
        Err(VerifyError::new("no signature matches"))
    }
}

#[tokio::test]
async fn unsigned_requests_are_logged_once_a_second_with_their_number() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let door = Door::with(Endpoint::open(Signing), "signing", MemoryInbox::new(), |builder| {
        builder.body_limit(1_000).clock(clock.clone())
    });
    let (log, _guard) = Log::listen("receiver", Level::INFO);
    let send = async |length: usize| says(&door.send("POST", "/signing", None, &[], " ".repeat(length)).await, 401);
    let lines =
        |log: &Log| log.take().iter().map(|line| (line.message.clone(), line.field("refusals").to_owned())).collect::<Vec<_>>();
    for _ in 0..50 {
        send(10).await;
        send(2_000).await;
    }
    let line = |number: &str| vec![("refused: not signed by the provider".to_owned(), number.to_owned())];
    assert_eq!(lines(&log), line("1"));
    clock.advance(Duration::from_secs(1));
    send(10).await;
    assert_eq!(lines(&log), line("100"));
}

/// The clock of the machine limits these lines, and no test knows how many seconds pass.
#[tokio::test]
async fn a_gate_and_an_extractor_do_not_log_every_request() {
    let (log, _guard) = Log::listen("onramp_webhooks", Level::WARN);
    let gate = AllowListGate::new("192.0.2.0/24".parse().unwrap(), ClientIp::peer_only());
    let begun = Instant::now();
    for _ in 0..1_000 {
        gate.admit(&Request::new("GET", "/", Some([203, 0, 113, 7].into()), &[])).unwrap_err();
        assert!(extract::<Wert, _, _>(&[("content-type", "application/json")], Full::new("{")).await.unwrap().is_err());
    }
    let seconds = begun.elapsed().as_secs() + 2;
    let lines = log.take();
    for message in ["denied", "no event could be read"] {
        let lines = lines.iter().filter(|line| line.message == message).count() as u64;
        assert!(lines > 0 && lines <= seconds, "{message}: {lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purchase_in_quarantine_is_an_error_and_noise_is_a_warning() {
    let (log, _listening) = Log::listen("receiver", Level::INFO);
    let harness = Harness::new();
    for (body, level) in [
        (r#"{"type":"order_complete","click_id":"c","order":{"id":"O"}}"#, Level::ERROR),
        (r#"{"type":"order_failed","click_id":"c","order":7}"#, Level::WARN),
        ("GET /.env", Level::WARN),
    ] {
        harness.post(body.into()).await;
        let entries = log.take();
        assert_eq!((entries.len(), entries[0].level), (1, level), "{body}: {entries:?}");
    }
}

/// A check that has asked the sandbox.
struct Sandbox;

#[async_trait]
impl Handler for Sandbox {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        delivery.mark_sandbox();
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_end_of_an_attempt_shows_the_mark_of_the_sandbox() {
    for (is_marked, shown) in [(true, "true"), (false, "")] {
        let (log, _listening) = Log::listen("onramp_webhooks::worker", Level::DEBUG);
        let harness = Harness::new();
        let mut working = harness.worker(|worker| if is_marked { worker.before(Sandbox) } else { worker });
        for (answer, message) in [
            (Do::Handle, "handled"),
            (Do::Fail, "failed; will be retried"),
            (Do::NotYet(Duration::from_secs(60)), "parked"),
            (Do::Refuse, "dead letter: will not be retried"),
        ] {
            harness.post(WertOrder::new().complete()).await;
            working.call().await.answer(answer);
            rest().await;
            let ended = log.take();
            assert_eq!(ended.len(), 1, "{ended:?}");
            assert_eq!((&*ended[0].message, ended[0].field("sandbox")), (message, shown));
        }
    }
}
