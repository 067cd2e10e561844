//! A worker whose handler does what the test says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{Clock, ManualClock, Timestamp};
use onramp_webhooks::inbox::{DeliveryId, Filter, Inbox, Record, State};
use onramp_webhooks::worker::{Worker, WorkerBuilder};
use onramp_webhooks::{Delivery, Handler, HandlerError, Receiver, ReceiverBuilder, Wert, async_trait};
use onramp_webhooks_testkit::events::wert_account;
use tokio::sync::{mpsc, oneshot};

use crate::faulty::Faulty;

/// The behaviour of the handler.
#[derive(Debug)]
pub(crate) enum Do {
    Handle,
    Fail,
    FailWith(String),
    FailBecause(Box<dyn std::error::Error + Send + Sync>),
    Refuse,
    NotYet(Duration),
    Panic,
    Hang,
}

/// A call of the handler that waits for the test to say what it does.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: DeliveryId,
    pub(crate) event_type: String,
    pub(crate) attempt: u32,
    pub(crate) stale: bool,
    answer: oneshot::Sender<Do>,
}

impl Call {
    pub(crate) fn answer(self, what: Do) {
        self.answer.send(what).expect("the handler waits for its answer");
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.answer.is_closed()
    }
}

pub(super) struct Asking {
    calls: mpsc::UnboundedSender<Call>,
    running: Arc<AtomicUsize>,
}

/// Counts a handler that runs.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Asking {
    pub(super) async fn ask(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        let (answer, what) = oneshot::channel();
        let call = Call {
            id: delivery.id(),
            event_type: delivery.event().type_name().to_owned(),
            attempt: delivery.attempt(),
            stale: delivery.is_stale(),
            answer,
        };
        // When the test has ended, nobody listens any more.
        let _ = self.calls.send(call);
        match what.await {
            Ok(Do::Handle) => Ok(()),
            Ok(Do::Fail) => Err(std::io::Error::other("out of order"))?,
            Ok(Do::FailWith(text)) => Err(HandlerError::transient(text)),
            Ok(Do::FailBecause(cause)) => Err(HandlerError::transient(cause)),
            Ok(Do::Refuse) => Err(HandlerError::permanent("refused for good")),
            Ok(Do::NotYet(pause)) => Err(HandlerError::not_yet(pause, "no such customer yet")),
            Ok(Do::Panic) => panic!("the handler's own bug"),
            Ok(Do::Hang) | Err(_) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Handler for Asking {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.ask(delivery).await
    }
}

/// An inbox, a receiver and a clock; workers come and go.
pub(crate) struct Harness {
    pub(crate) inbox: Faulty,
    pub(crate) clock: ManualClock,
    pub(crate) receiver: Receiver,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(ReceiverBuilder) -> ReceiverBuilder) -> Self {
        let (inbox, clock) = (Faulty::default(), ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        let builder = Receiver::builder(inbox.clone()).endpoint(Wert::without_path_secret()).clock(Arc::new(clock.clone()));
        Self { inbox, clock, receiver: change(builder).build().unwrap() }
    }

    /// A worker whose handler asks.
    pub(crate) fn worker(&self, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Working {
        Working::of(|asking| change(self.receiver.worker(asking)))
    }

    pub(crate) async fn post(&self, body: Bytes) {
        let reply = self.receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(body)).await;
        assert_eq!(reply.status(), 200);
    }

    /// Posts `number` events of no order.
    pub(crate) async fn post_logins(&self, number: usize) {
        for click in 0..number {
            self.post(wert_account("login", &format!("click-{click}"))).await;
        }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn kept(&self) -> Vec<Record> {
        self.inbox.list(Filter::all().limit(100_000)).await.unwrap().records
    }

    /// The only thing that is kept.
    pub(crate) async fn only(&self) -> Record {
        let kept = self.kept().await;
        assert_eq!(kept.len(), 1, "{kept:?}");
        self.inbox.show(kept[0].id).await.unwrap().unwrap()
    }

    /// Returns the number of deliveries in each state.
    pub(crate) async fn states(&self) -> BTreeMap<State, u64> {
        self.inbox.counts().await.unwrap().iter().filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A worker that runs, and the calls of its handler.
pub(crate) struct Working {
    pub(crate) worker: Worker,
    asked: mpsc::UnboundedReceiver<Call>,
    running: Arc<AtomicUsize>,
}

impl Working {
    pub(super) fn of(worker: impl FnOnce(Asking) -> WorkerBuilder) -> Self {
        let (calls, asked) = mpsc::unbounded_channel();
        let running = Arc::new(AtomicUsize::new(0));
        let worker = worker(Asking { calls, running: Arc::clone(&running) });
        Self { worker: worker.spawn(), asked, running }
    }

    /// The next call of the handler.
    pub(crate) async fn call(&mut self) -> Call {
        let call = tokio::time::timeout(Duration::from_secs(1), self.asked.recv()).await;
        call.expect("the handler is not called").expect("the worker is gone")
    }

    /// Everything comes to rest, and the handler has not been called.
    pub(crate) async fn rests(&mut self) {
        rest().await;
        if let Ok(call) = self.asked.try_recv() {
            panic!("the handler is called: {call:?}");
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// Returns once no task has anything left to do.
pub(crate) async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Ends a worker, which must not take longer than its grace and some tries of an inbox that fails.
pub(crate) async fn end(worker: Worker) {
    tokio::time::timeout(Duration::from_secs(60), worker.shutdown()).await.expect("the worker does not end");
}

/// An error that panics when it is formatted.
#[derive(Debug)]
pub(super) struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Unspeakable {}

/// A handler that only remembers, and how often it saw each delivery.
#[derive(Clone, Default)]
pub(crate) struct Remembering(Arc<Mutex<BTreeMap<DeliveryId, usize>>>);

impl Remembering {
    pub(crate) fn seen(&self) -> BTreeMap<DeliveryId, usize> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Handler for Remembering {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        *self.0.lock().unwrap().entry(delivery.id()).or_default() += 1;
        tokio::task::yield_now().await;
        Ok(())
    }
}
