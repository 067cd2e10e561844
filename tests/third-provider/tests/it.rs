//! The made-up provider behind a receiver, an inbox on disk and a worker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{Clock as _, ManualClock, Timestamp};
use onramp_webhooks::inbox::{Filter, Inbox, ReplayScope, Replayed, State, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::{Delivery, Handler, HandlerError, Receiver, Wert, WorkerBuilder, async_trait};
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_third_provider::{Acme, AcmeEvent};

const SECRET: &[u8] = b"a secret of the shop and its provider";
const PAID: &str =
    r#"{"event":"paid","purchase":"P-1","customer":"ada","euros":"35.10","amount":0.01,"asset":"eth","wallet":"0x1"}"#;

/// Notes the purchases that arrive in their own type.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let note = match delivery.event_as::<AcmeEvent>() {
            Some(AcmeEvent::Paid(paid)) => {
                let purchase = delivery.completed_purchase()?.ok_or("a paid event is a purchase")?;
                format!("{} paid {} for {}", purchase.customer_id()?, purchase.fiat, paid.purchase)
            }
            Some(event) => format!("{event:?}"),
            None => format!("{} from {}", delivery.event().type_name(), delivery.provider()),
        };
        self.0.lock().unwrap().push(note);
        Ok(())
    }
}

impl Shop {
    fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Setup {
    receiver: Receiver,
    clock: ManualClock,
    inbox: Arc<SqliteInbox>,
    _folder: tempfile::TempDir,
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Arc::new(SqliteInbox::open(folder.path().join("shop.db")).await.unwrap());
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let receiver = Receiver::builder(Arc::clone(&inbox))
            .endpoint(Acme::with_secret(SECRET))
            .endpoint(Wert::with_path_secret("a-long-path-secret"))
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        Self { receiver, clock, inbox, _folder: folder }
    }

    async fn send(&self, headers: &[(&str, String)], body: &str) -> u16 {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let headers = headers.as_slice();
        let request = Request::new("POST", "/acme", None, &headers);
        self.receiver.receive(&request, Full::new(body.to_owned())).await.status()
    }

    async fn send_signed(&self, body: &str) -> u16 {
        self.send(&Acme::sign(SECRET, "msg_1", self.clock.now(), body.as_bytes()), body).await
    }

    async fn count(&self, state: State) -> u64 {
        self.inbox.counts().await.unwrap().of(state)
    }
}

#[tokio::test]
async fn a_signed_event_reaches_the_handler_in_its_own_type_once() {
    let (setup, shop) = (Setup::new().await, Shop::default());
    assert_eq!((setup.send_signed(PAID).await, setup.send_signed(PAID).await), (200, 200));
    assert_eq!(setup.send_signed(r#"{"event":"launched"}"#).await, 200);
    let worker = setup.receiver.worker(shop.clone()).spawn();
    worker.idle().await;
    assert_eq!(shop.notes(), ["ada paid 35.10 EUR for P-1", "Unknown"]);
    worker.shutdown().await;
}

#[tokio::test]
async fn other_requests_are_refused_and_leave_nothing() {
    let setup = Setup::new().await;
    let now = setup.clock.now();
    let signed = |at, body: &str| Acme::sign(SECRET, "msg_1", at, body.as_bytes());
    assert_eq!(setup.send(&[], PAID).await, 401, "unsigned");
    assert_eq!(setup.send(&Acme::sign(b"another secret", "msg_1", now, PAID.as_bytes()), PAID).await, 401, "another secret");
    assert_eq!(setup.send(&signed(now, PAID), &PAID.replace("35.10", "99.10")).await, 401, "another body");
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(setup.send(&signed(now.before(minutes(6)), PAID), PAID).await, 401, "too old");
    assert_eq!(setup.send(&signed(now.after(minutes(6)), PAID), PAID).await, 401, "from the future");
    let twice = [signed(now, PAID), signed(now, PAID)].concat();
    assert_eq!(setup.send(&twice, PAID).await, 401, "headers twice");
    let large = format!("{PAID}{}", " ".repeat(1 << 20));
    assert_eq!(setup.send(&signed(now, &large), &large).await, 401, "over the limit");
    assert!(setup.inbox.list(Filter::all()).await.unwrap().records.is_empty());
    assert_eq!(setup.send(&signed(now.before(minutes(4)), PAID), PAID).await, 200, "within the tolerance");
}

#[tokio::test]
async fn a_rotated_secret_sends_two_signatures() {
    let setup = Setup::new().await;
    let [id, timestamp, (name, right)] = Acme::sign(SECRET, "msg_1", setup.clock.now(), PAID.as_bytes());
    assert_eq!(setup.send(&[id, timestamp, (name, format!("v1,AAAA {right}"))], PAID).await, 200);
}

#[tokio::test]
async fn the_same_purchase_with_other_content_is_a_conflict() {
    let setup = Setup::new().await;
    assert_eq!((setup.send_signed(PAID).await, setup.send_signed(&PAID.replace("35.10", "99.10")).await), (200, 200));
    assert_eq!((setup.count(State::Pending).await, setup.count(State::Conflict).await), (1, 1));
}

#[tokio::test]
async fn an_unreadable_event_is_refused_and_kept_for_a_replay() {
    let setup = Setup::new().await;
    assert_eq!(setup.send_signed(r#"{"event":"paid","purchase":"P-1"}"#).await, 400);
    let kept = setup.inbox.list(Filter::all().state(State::Quarantined)).await.unwrap().records.remove(0);
    let again = |providers: Providers| {
        let (inbox, now) = (Arc::clone(&setup.inbox), setup.clock.now());
        async move { replay(&*inbox, &providers, kept.id, ReplayScope::Unhandled, now).await.unwrap() }
    };
    let reason = "the provider acme is not known here".to_owned();
    assert_eq!(again(Providers::default()).await, Replayed::StillUnreadable { reason });
    let reason = "does not fit: line 1, column 33".to_owned();
    assert_eq!(again(setup.receiver.providers().clone()).await, Replayed::StillUnreadable { reason });
}

#[tokio::test]
async fn a_worker_that_does_not_know_the_provider_lets_its_events_wait() {
    let (setup, shop) = (Setup::new().await, Shop::default());
    setup.send_signed(PAID).await;
    let request = Request::new("POST", "/wert/a-long-path-secret", None, &[]);
    setup.receiver.receive(&request, Full::new(r#"{"type":"login","click_id":"42"}"#)).await;

    let worker = || {
        let inbox: Arc<dyn Inbox> = Arc::clone(&setup.inbox) as _;
        WorkerBuilder::new(inbox, Arc::new(shop.clone())).clock(Arc::new(setup.clock.clone()))
    };
    let without = worker().spawn();
    without.idle().await;
    without.shutdown().await;
    assert_eq!(shop.notes(), ["login from wert"]);
    let waiting = setup.inbox.list(Filter::all().state(State::Parked)).await.unwrap().records.remove(0);
    assert_eq!(waiting.note.as_deref(), Some("the provider acme is not known here"));

    setup.clock.advance(Duration::from_secs(600));
    let with = worker().provider::<Acme>().spawn();
    with.idle().await;
    with.shutdown().await;
    assert_eq!(shop.notes(), ["login from wert", "ada paid 35.10 EUR for P-1"]);
}
