//! Checks before the handler.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::event::DecodeError;
use onramp_webhooks::identity::Identity;
use onramp_webhooks::inbox::{DeadCause, Inbox, NewDelivery, State};
use onramp_webhooks::provider::{Facts, Provider, ProviderEvent};
use onramp_webhooks::worker::{RetryPolicy, WorkerBuilder};
use onramp_webhooks::{Delivery, Handler, HandlerError, Kriptomat, TransactionalHandler, WertEvent, async_trait};
use onramp_webhooks_testkit::events::{Postback, WertOrder};

use super::harness::{Do, Harness, Remembering, Unspeakable, rest};
use crate::faulty::InboxCall;

/// A check that says what the test wants, and then yes. Clones are the same one.
#[derive(Clone, Default)]
struct Scripted {
    next: Arc<Mutex<VecDeque<Do>>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    fn says(answers: impl IntoIterator<Item = Do>) -> Self {
        Self { next: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.next.lock().unwrap().pop_front();
        match next {
            None | Some(Do::Handle) => Ok(()),
            Some(Do::NotYet(pause)) => Err(HandlerError::not_yet(pause, "not confirmed yet")),
            Some(Do::Refuse) => Err(HandlerError::permanent("a lie")),
            Some(Do::Panic) => panic!("the check's own bug"),
            Some(Do::Hang) => pending().await,
            Some(_) => Err(HandlerError::transient("out of order")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_called_after_all_checks_passed() {
    let harness = Harness::new();
    let (first, second) = (Scripted::says([Do::Handle, Do::NotYet(Duration::from_secs(60))]), Scripted::default());
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.before(first.clone()).before(second.clone()));
    working.call().await.answer(Do::Fail);
    assert_eq!((first.asked(), second.asked()), (1, 1));
    rest().await;
    harness.pass(3_600);
    working.rests().await;
    assert_eq!((first.asked(), second.asked()), (2, 1), "asked again at the next attempt, up to the first that says no");
    let record = harness.only().await;
    assert_eq!((record.state, record.attempts), (State::Parked, 1), "what a check puts off is no attempt");
    assert_eq!(record.note.as_deref(), Some("not confirmed yet"));
    harness.pass(59);
    working.rests().await;
    harness.pass(1);
    working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Handled);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_check_decides_as_the_handlers_own() {
    for (what, state, note) in [
        (Do::Refuse, State::Dead, "a lie"),
        (Do::Fail, State::Retrying, "out of order"),
        (Do::Panic, State::Retrying, "the check before the handler panicked: the check's own bug"),
    ] {
        let harness = Harness::new();
        harness.post(WertOrder::new().complete()).await;
        let mut working = harness.worker(|worker| worker.before(Scripted::says([what])));
        working.rests().await;
        let record = harness.only().await;
        assert_eq!((record.state, record.attempts, record.note.as_deref()), (state, 1, Some(note)));
        assert_eq!(record.cause, (state == State::Dead).then_some(DeadCause::RefusedByCheck));
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_has_the_time_of_an_attempt_and_costs_the_handler_nothing_of_its_own() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let check = Scripted::says([Do::Hang]);
    let retry = RetryPolicy::new(2, Duration::ZERO, Duration::ZERO);
    let mut working = harness.worker(|worker| worker.before(check).attempt_timeout(Duration::from_secs(20)).retry(retry));
    working.rests().await;
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(harness.only().await.state, State::Leased);
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    let call = working.call().await;
    assert_eq!(call.attempt, 2);
    tokio::time::sleep(Duration::from_secs(19)).await;
    call.answer(Do::Handle);
    rest().await;
    assert_eq!(harness.only().await.state, State::Handled);
}

struct Shop;

#[async_trait]
impl<Tx: Send> TransactionalHandler<Tx> for Shop {
    async fn handle(&self, _: &Delivery, _: &mut Tx) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_transaction_is_open_while_a_check_is_asked() {
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let check = Scripted::says([Do::NotYet(Duration::from_secs(60)), Do::Hang]);
    let worker = WorkerBuilder::transactional(Arc::new(harness.inbox.clone()), Shop).clock(Arc::new(harness.clock.clone()));
    let worker = worker.retry(RetryPolicy::new(2, Duration::ZERO, Duration::ZERO)).before(check.clone()).spawn();
    rest().await;
    assert_eq!((check.asked(), harness.inbox.calls(InboxCall::Begin)), (1, 0));
    harness.pass(60);
    rest().await;
    assert_eq!((check.asked(), harness.inbox.calls(InboxCall::Begin)), (2, 0));
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!((check.asked(), harness.inbox.calls(InboxCall::Begin)), (3, 1));
    assert_eq!(harness.only().await.state, State::Handled);
    worker.shutdown().await;
}

/// A check that hangs for purchases of Wert, as with an API that is slow.
struct SlowApi;

#[async_trait]
impl Handler for SlowApi {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        match delivery.event_as::<WertEvent>() {
            Some(_) => pending().await,
            None => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_check_of_one_endpoint_holds_up_no_other() {
    let harness = Harness::with(|builder| builder.endpoint(Kriptomat::with_path_secret("s3cret-for-examples")));
    for _ in 0..600 {
        harness.post(WertOrder::new().complete()).await;
    }
    let mut working = harness.worker(|worker| worker.before(SlowApi).concurrency(1));
    working.rests().await;
    let postback = Full::new(Postback::new().json());
    let reply = harness.receiver.receive(&Request::new("POST", "/kriptomat/s3cret-for-examples", None, &[]), postback).await;
    assert_eq!(reply.status(), 200);
    let call = working.call().await;
    assert_eq!(call.event_type, "postback");
    call.answer(Do::Handle);
}

/// Counts the checks that run at the same time.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>, Arc<AtomicUsize>);

#[async_trait]
impl Handler for Counted {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        let running = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.1.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_of_an_endpoint_are_checked_at_the_same_time_and_no_more() {
    let harness = Harness::new();
    harness.post_logins(300).await;
    let (counted, handled) = (Counted::default(), Remembering::default());
    let _worker = harness.receiver.worker(handled.clone()).before(counted.clone()).check_concurrency(3).spawn();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((counted.1.load(Ordering::SeqCst), handled.seen().len()), (3, 300));
}

struct Fails;

#[async_trait]
impl Handler for Fails {
    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        Err(HandlerError::permanent(Unspeakable))
    }
}

/// An event whose reader panics.
#[derive(Debug)]
struct Unread;

impl ProviderEvent for Unread {
    fn read(_: &[u8]) -> Result<Self, DecodeError> {
        panic!("a bug of the reader")
    }

    fn type_name(&self) -> &str {
        "unread"
    }

    fn type_label(&self) -> &'static str {
        "unread"
    }

    fn identity(&self) -> Identity {
        Identity::unique()
    }
}

#[derive(Debug)]
struct Acme;

impl Provider for Acme {
    type Event = Unread;

    const FACTS: Facts = Facts::new("acme");
}

/// Released, it would be claimed again for ever.
#[tokio::test(start_paused = true)]
async fn a_panic_before_the_handler_is_a_transient_error() {
    let retry = || RetryPolicy::new(1, Duration::ZERO, Duration::ZERO);
    let harness = Harness::new();
    harness.post(WertOrder::new().complete()).await;
    let mut working = harness.worker(|worker| worker.before(Fails).retry(retry()));
    working.rests().await;
    let record = harness.only().await;
    assert_eq!((record.state, record.cause), (State::Dead, Some(DeadCause::AttemptsUsedUp)));

    for is_checked in [false, true] {
        let harness = Harness::new();
        harness.inbox.record(NewDelivery::new("acme", "acme", harness.now(), "{}".into())).await.unwrap();
        let mut working = harness.worker(|worker| {
            let worker = worker.provider::<Acme>().retry(retry());
            if is_checked { worker.before(Scripted::default()) } else { worker }
        });
        working.rests().await;
        let record = harness.only().await;
        assert_eq!((record.state, record.cause), (State::Dead, Some(DeadCause::AttemptsUsedUp)));
        assert!(record.note.unwrap().contains("a bug of the reader"));
    }
}

/// A check that has asked about the purchase, or a handler that keeps what it gets.
struct Paid(&'static str, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Handler for Paid {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let mut purchase = delivery.completed_purchase()?.ok_or("no purchase")?;
        self.1.lock().unwrap().push(format!("{}: {}", self.0, purchase.fiat));
        purchase.fiat.amount = self.0.parse()?;
        delivery.confirm(purchase);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_gets_the_purchase_that_a_check_confirmed_first() {
    let harness = Harness::new();
    harness.post(WertOrder::new().fiat("9000.00", "USD").complete()).await;
    let seen = Arc::default();
    let paid = |amount| Paid(amount, Arc::clone(&seen));
    let worker = harness.receiver.worker(paid("3")).before(paid("1")).before(paid("2")).spawn();
    worker.idle().await;
    assert_eq!(*seen.lock().unwrap(), ["1: 9000.00 USD", "2: 1 USD", "3: 1 USD"]);
}
