//! A check before the handler: money events are confirmed by Wert first.

mod batcher;
mod pace;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use onramp_webhooks::event::{CompletedPurchase, OrderId};
use onramp_webhooks::{Delivery, Handler, HandlerError, Provider, async_trait};
use tokio::sync::{mpsc, oneshot};

use self::batcher::{Answer, Question};
use self::pace::Pace;
use super::{Verdict, WertDataApi};

/// The longest order id or click id that is asked about, in bytes: a forged one could be as long as an event, and has to fit into a URL.
const LONGEST_ID: usize = 512;

/// Asks Wert whether a completed purchase is real before the handler sees it; for
/// [`WorkerBuilder::before`](onramp_webhooks::worker::WorkerBuilder::before), with plain and with transactional handlers.
///
/// Wert signs nothing, so its event is a hint: whoever knows the URL can send one. Only completed purchases of Wert are asked about;
/// every other event, and what other providers send, passes at once.
///
/// | Wert says | the event |
/// | --- | --- |
/// | the same | is handled |
/// | another amount, currency, customer, address or transaction, or that the order failed | is a dead letter at once, with an error in the log and what differs, but no personal data |
/// | that it does not know the order, or that it is not complete yet | is parked and asked about again, with growing pauses; a dead letter when that has not changed after [`give_up_after`](Self::give_up_after) |
/// | nothing: away, too busy, another key wanted (401, 403), an answer of no use | is parked, whatever time that takes, and asked about again after the `retry-after` that Wert names |
///
/// An event that does not name its order, as old ones do not, is a dead letter, too: one true order would confirm any number of them.
///
/// Let one account send to one endpoint. The same order at two endpoints is two events, and both would be confirmed.
///
/// What is parked costs no attempt. A dead letter is kept, and a replay or a duplicate has it asked about again.
///
/// Questions that gather while a request is under way go into the next one together, 20 orders to a request, and one request runs at a
/// time; nobody waits for others to come. As many deliveries ask at the same time as the worker's
/// [concurrency](onramp_webhooks::worker::WorkerBuilder::concurrency) allows, so 20 and more fill the requests. After a failure Wert is
/// left alone for a while, and then one question alone finds out whether it is back: a provider that hangs does not hold up the worker
/// for other events.
///
/// Counts in `onramp_webhooks_confirmations_total`, labelled `result`: `confirmed`, `contradicted`, `not_yet`, `given_up`, `away`.
///
/// ```
/// # use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
/// use onramp_webhooks::inbox::{MemoryInbox, State};
/// use onramp_webhooks::{Receiver, Request, Wert};
/// use onramp_webhooks_client::wert::{Confirmation, WertDataApi};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::provider::FakeProvider;
///
/// # struct Shop;
/// # #[async_trait]
/// # impl Handler for Shop {
/// #     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> { Ok(()) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = FakeProvider::start().await;
/// let wert = WertDataApi::at(provider.url(), FakeProvider::API_KEY).build()?;
///
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret")).build()?;
/// let worker = receiver.worker(Shop).before(Confirmation::new(wert)).concurrency(40).spawn();
///
/// let order = WertOrder::new();
/// provider.add_order(&order, "success");
/// let request = Request::new("POST", "/wert/s3cret", None, &[]);
/// receiver.receive_whole(&request, order.complete()).await;
/// receiver.receive_whole(&request, WertOrder::new().complete()).await; // forged
/// # loop {
/// #     let counts = receiver.inbox().counts().await?;
/// #     if counts.of(State::Handled) + counts.of(State::Parked) == 2 { break }
/// #     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
/// # }
/// # worker.shutdown().await;
///
/// let counts = receiver.inbox().counts().await?;
/// assert_eq!((counts.of(State::Handled), counts.of(State::Parked)), (1, 1));
/// # Ok(())
/// # }
/// ```
pub struct Confirmation {
    api: WertDataApi,
    endpoint: Option<String>,
    pace: Pace,
    patience: Duration,
    /// To the task that asks, once there is one.
    questions: Mutex<Option<mpsc::UnboundedSender<Question>>>,
}

impl Confirmation {
    /// Asks `api`, whose clock it takes the time from.
    #[must_use]
    pub fn new(api: WertDataApi) -> Self {
        let (pace, patience) = (Pace::default(), Duration::from_secs(25));
        Self { api, endpoint: None, pace, patience, questions: Mutex::new(None) }
    }

    /// Asks only about events that came in at this endpoint: where there are several accounts, or a sandbox, each needs a confirmation with
    /// its own key. What comes in elsewhere passes this one. Default: all of Wert's endpoints.
    #[must_use]
    pub fn endpoint(mut self, name: impl Into<String>) -> Self {
        self.endpoint = Some(name.into());
        self
    }

    /// How long to wait before asking again: half of the delivery's age, but at least `first` and at most `longest`. Default: 5 s, 10 min.
    #[must_use]
    pub const fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.pace.first, self.pace.longest) = (first, longest);
        self
    }

    /// How old a delivery is when Wert is believed that it does not know its order. A forged order never becomes known. Default 24 h.
    #[must_use]
    pub const fn give_up_after(mut self, age: Duration) -> Self {
        self.pace.give_up_after = age;
        self
    }

    /// How long a delivery waits for the answer before it is parked. Has to be shorter than the worker's
    /// [attempt timeout](onramp_webhooks::worker::WorkerBuilder::attempt_timeout), which would cost an attempt. Default 25 s.
    #[must_use]
    pub const fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    fn is_asked_about(&self, delivery: &Delivery) -> bool {
        delivery.provider() == Provider::Wert && self.endpoint.as_ref().is_none_or(|name| **name == **delivery.endpoint())
    }

    /// Has the task ask, and starts one if there is none: its runtime may have ended.
    fn ask(&self, purchase: CompletedPurchase) -> oneshot::Receiver<Answer> {
        let (answer, heard) = oneshot::channel();
        let mut question = Question { purchase, answer };
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = &*questions {
            match task.send(question) {
                Ok(()) => return heard,
                Err(nobody) => question = nobody.0,
            }
        }
        let (task, asked) = mpsc::unbounded_channel();
        // The receiver is here.
        let _ = task.send(question);
        tokio::spawn(batcher::answer(self.api.clone(), self.pace.first, asked));
        *questions = Some(task);
        heard
    }

    /// What becomes of a delivery of this age.
    fn decide(&self, Answer { verdict, alone_for }: Answer, age: Duration) -> Result<(), HandlerError> {
        match verdict {
            Verdict::Confirmed => {
                count("confirmed");
                Ok(())
            }
            Verdict::ProviderAway(error) => {
                count("away");
                Err(HandlerError::not_yet(self.pace.pause(age).max(alone_for), format!("Wert could not be asked: {error}")))
            }
            verdict if !verdict.may_change() => refused("contradicted", format!("Wert contradicts this event: {verdict}")),
            verdict if self.pace.is_over(age) => refused("given_up", format!("Wert has not confirmed this event: {verdict}")),
            verdict => {
                count("not_yet");
                let pause = self.pace.pause_before_the_end(age);
                Err(HandlerError::not_yet(pause, format!("Wert has not confirmed this event yet: {verdict}")))
            }
        }
    }
}

#[async_trait]
impl Handler for Confirmation {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if !self.is_asked_about(delivery) {
            return Ok(());
        }
        let purchase = match delivery.event().completed_purchase() {
            Ok(Some(purchase)) => purchase,
            Ok(None) => return Ok(()),
            Err(unclear) => return refused("given_up", format!("Wert cannot be asked about this event: {unclear}")),
        };
        if !can_be_asked_about(&purchase) {
            return refused(
                "given_up",
                "Wert cannot be asked about this event: it has no order id that could be searched for".into(),
            );
        }
        let age = self.api.clock().now().since(delivery.received_at());
        match tokio::time::timeout(self.patience, self.ask(purchase)).await {
            Ok(Ok(answer)) => self.decide(answer, age),
            Ok(Err(_)) | Err(_) => {
                count("away");
                Err(HandlerError::not_yet(self.pace.pause(age), "Wert has not answered yet"))
            }
        }
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation")
            .field("api", &self.api)
            .field("endpoint", &self.endpoint)
            .field("pace", &self.pace)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Whether the event names its order, and with an id that harms none of the others in the same request: a comma separates ids. Without one,
/// any number of events, each with a dedup key of its own, would be confirmed by one true order.
fn can_be_asked_about(purchase: &CompletedPurchase) -> bool {
    let id = purchase.order.as_ref().map(OrderId::as_str);
    id.is_some_and(|id| id.len() <= LONGEST_ID && !id.contains(',') && !id.trim().is_empty())
}

fn refused(result: &'static str, why: String) -> Result<(), HandlerError> {
    count(result);
    Err(HandlerError::permanent(why))
}

fn count(result: &'static str) {
    metrics::counter!("onramp_webhooks_confirmations_total", "result" => result).increment(1);
}
