//! The check before the handler that confirms purchases with Wert.

mod account;
mod batcher;
mod endpoints;
mod history;
mod outage;
mod queue;
mod schedule;
mod share;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use onramp_webhooks::event::CompletedPurchase;
use onramp_webhooks::provider::Provider as _;
use onramp_webhooks::{Delivery, Handler, HandlerError, Receiver, Wert, WertEvent, async_trait};

use self::account::Account;
use self::batcher::Checked;
pub use self::endpoints::{ConfirmationBuilder, EndpointError};
use self::schedule::Schedule;
use super::query::is_order_id;
use super::{Verdict, WertDataApi};

/// Pause of a purchase whose endpoint has no API.
const UNTIL_THE_PROGRAM_CHANGES: Duration = Duration::from_secs(600);

/// Note of a purchase that did not reach the handler.
const NOT_ALLOWED: &str = "a test purchase of Wert's sandbox, which the handler did not ask for (Confirmation::allow_sandbox)";

/// A check that confirms completed purchases with Wert before they are handled.
///
/// Pass it to [`WorkerBuilder::before`](onramp_webhooks::worker::WorkerBuilder::before), with a plain or a transactional handler. Wert does
/// not sign its events, so anyone who knows the URL can send one. Only completed purchases from Wert are checked; all other events pass.
///
/// | Wert's response | the delivery |
/// | --- | --- |
/// | the order agrees | is handled |
/// | the amount, currency, customer, address or transaction differs, or the order failed or was cancelled | becomes a dead letter at once; the error log lists the differences without personal data |
/// | the order is unknown or not complete yet | is parked and checked again with growing pauses; becomes a dead letter after [`give_up_after`](Self::give_up_after) |
/// | a failure or an unusable one, only to requests for this order | is parked without a time limit, and checked again with growing pauses |
/// | none, or none of use to any request: unavailable, too busy, key not accepted (401, 403) | is parked without a time limit, and checked again with growing pauses, at the earliest after Wert's `retry-after` |
///
/// [`WertDataApi::differences`] has the rules of the comparison. The handler gets the purchase as Wert's order has it
/// ([`Delivery::completed_purchase`], [`OrderRow::confirmed`](super::OrderRow::confirmed)); the event only names the order. A value that
/// the order does not have cannot be confirmed and is missing in the purchase: the Data API documents no address, no transaction and no
/// `partner_data`. A forged event for a real order, with the right click id and amounts, can be confirmed with a forged address if it
/// arrives first; the real event is then kept as a conflict. Do not rely on these fields of the [event](Delivery::event_as) itself.
///
/// A completed purchase without an order id, as in events of older versions, becomes a dead letter as well, because one real order would
/// confirm any number of them. So does one whose id does not have the form of Wert's ids, `[A-Za-z0-9_-]{1,64}`.
///
/// Each endpoint is confirmed by the API of its own account. [`new`](Self::new) is for a receiver whose only endpoint of Wert is `wert`;
/// [`for_receiver`](Self::for_receiver) is for others, and refuses endpoints that are misspelled, or missing, or share an account: the same
/// order at two endpoints is two events, and one account would confirm both. Purchases confirmed by Wert's sandbox reach the handler only
/// after [`allow_sandbox`](Self::allow_sandbox).
///
/// Parking costs no attempt. A dead letter is kept, and is checked again after a replay.
///
/// Checks are batched: those that arrive during a request are combined into the next request, of up to 20 orders. There is one
/// request at a time. The worker limits the number of simultaneous checks
/// ([`check_concurrency`](onramp_webhooks::worker::WorkerBuilder::check_concurrency)); 40 or more are needed to fill a request. After
/// a failure, no request is made for a while; then a single check probes Wert. Therefore the worker continues to handle other events
/// while Wert does not respond.
///
/// A flood of forged orders holds up no new delivery. Deliveries that Wert was not asked about yet come first in each request, and the others
/// fill the rest of it. Repeated checks get one request with up to 20 orders each second; those beyond it are parked again without a request.
/// At most 20 of them occupy slots of the worker. Which deliveries were checked is remembered for the last 50 000 of them or more, and is
/// forgotten when the process ends; such a delivery comes first once more.
///
/// A request that fails although Wert responds to others is repeated for halves of its orders, so one id that makes Wert fail stops nobody
/// else. Such an order is then asked about alone.
///
/// Every result is counted: see [metrics](crate#metrics).
///
/// ```
/// # use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
/// use onramp_webhooks::adapter::{Full, Request};
/// use onramp_webhooks::inbox::{MemoryInbox, State};
/// use onramp_webhooks::{Receiver, Wert};
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
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let worker = receiver.worker(Shop).before(Confirmation::new(wert)).spawn();
///
/// let order = WertOrder::new();
/// provider.add_order(&order, "success");
/// let request = Request::new("POST", "/wert/s3cret-for-examples", None, &[]);
/// receiver.receive(&request, Full::new(order.complete())).await;
/// receiver.receive(&request, Full::new(WertOrder::new().complete())).await; // forged
/// worker.idle().await;
///
/// let counts = receiver.inbox().counts().await?;
/// assert_eq!((counts.of(State::Handled), counts.of(State::Parked)), (1, 1));
/// # worker.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct Confirmation {
    /// The accounts, by the names of their endpoints.
    accounts: BTreeMap<String, Account>,
    schedule: Schedule,
    timeout: Duration,
    allow_sandbox: bool,
}

impl Confirmation {
    /// Creates a check that confirms the purchases at the endpoint `wert` with `api`, and uses its clock.
    ///
    /// `wert` is the name of an endpoint unless [`named`](onramp_webhooks::Endpoint::named) changes it. If the receiver has an endpoint of
    /// Wert with another name, use [`for_receiver`](Self::for_receiver): the purchases there are not confirmed, but parked, with an error in
    /// the log.
    #[must_use]
    pub fn new(api: WertDataApi) -> Self {
        Self::with(BTreeMap::from([(Wert::FACTS.name.to_owned(), Account::new(api))]))
    }

    /// Creates a builder of a check for all of Wert's endpoints of `receiver`. With several accounts or a sandbox, each endpoint needs the
    /// API of its own account.
    #[must_use]
    pub fn for_receiver(receiver: &Receiver) -> ConfirmationBuilder {
        ConfirmationBuilder::new(receiver)
    }

    fn with(accounts: BTreeMap<String, Account>) -> Self {
        Self { accounts, schedule: Schedule::default(), timeout: Duration::from_secs(25), allow_sandbox: false }
    }

    /// Lets the handler get the purchases at endpoints whose API is Wert's [sandbox](WertDataApi::is_sandbox), where nobody pays. By
    /// default, each of them becomes a dead letter. The handler distinguishes them by [`Delivery::is_sandbox`], which is set for every
    /// event at these endpoints.
    #[must_use]
    pub const fn allow_sandbox(mut self) -> Self {
        self.allow_sandbox = true;
        self
    }

    /// States that two codes name the same crypto, as [`WertDataApi::alias`] does.
    #[must_use]
    pub fn alias(mut self, code: &str, other: &str) -> Self {
        self.accounts.values_mut().for_each(|account| account.alias(code, other));
        self
    }

    /// Sets the shortest and the longest pause between checks of a delivery. Between these limits, a pause is half of the delivery's age.
    /// Orders that Wert does not know are checked ever more slowly, without a longest pause. Default: 5 s to 10 min.
    #[must_use]
    pub const fn pauses(mut self, min: Duration, max: Duration) -> Self {
        (self.schedule.min_pause, self.schedule.max_pause) = (min, max);
        self
    }

    /// Sets the age at which an unconfirmed delivery becomes a dead letter. A forged order is never confirmed, so a limit is
    /// needed. Default: 24 h.
    #[must_use]
    pub const fn give_up_after(mut self, age: Duration) -> Self {
        self.schedule.give_up_after = age;
        self
    }

    /// Sets the time that a delivery waits for its result before it is parked. Must be shorter than the worker's
    /// [attempt timeout](onramp_webhooks::worker::WorkerBuilder::attempt_timeout), because an attempt that times out counts. Default: 25 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn confirm(&self, account: &Account, delivery: &Delivery, purchase: CompletedPurchase) -> Result<(), HandlerError> {
        let age = account.api().clock().now().since(delivery.received_at());
        let Some(checked) = account.check(delivery.id(), purchase, self.schedule.min_pause) else {
            count("postponed");
            let pause = self.schedule.pause_of_postponed(age, fastrand::f64());
            return Err(HandlerError::not_yet(
                pause,
                "Wert has not confirmed this event yet; the check was put off, because there were too many others",
            ));
        };
        match tokio::time::timeout(self.timeout, checked).await {
            Ok(Ok(checked)) => self.decide(delivery, checked, age),
            Ok(Err(_)) | Err(_) => {
                count("unavailable");
                Err(HandlerError::not_yet(self.schedule.pause(age), "Wert has not responded yet"))
            }
        }
    }

    /// Returns the result of the check for a delivery of this age.
    fn decide(&self, delivery: &Delivery, Checked { verdict, backoff }: Checked, age: Duration) -> Result<(), HandlerError> {
        match verdict {
            Verdict::Confirmed(purchase) => {
                count("confirmed");
                delivery.confirm(*purchase);
                Ok(())
            }
            Verdict::ProviderUnavailable(error) => {
                count("unavailable");
                Err(HandlerError::not_yet(self.schedule.pause(age).max(backoff), format!("Wert is unavailable: {error}")))
            }
            Verdict::OrderUnavailable(_) => {
                count("unavailable");
                Err(HandlerError::not_yet(self.schedule.pause(age), format!("Wert has not confirmed this event yet: {verdict}")))
            }
            verdict if !verdict.may_change() => refuse("contradicted", format!("Wert has not confirmed this event: {verdict}")),
            verdict if self.schedule.is_over(age) => refuse("given_up", format!("Wert has not confirmed this event: {verdict}")),
            verdict => {
                count("not_yet");
                let pause = match verdict {
                    Verdict::Unknown => self.schedule.pause_of_unknown(age),
                    _ => self.schedule.pause_before_giving_up(age),
                };
                Err(HandlerError::not_yet(pause, format!("Wert has not confirmed this event yet: {verdict}")))
            }
        }
    }
}

#[async_trait]
impl Handler for Confirmation {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if delivery.event_as::<WertEvent>().is_none() {
            return Ok(());
        }
        let account = self.accounts.get(&**delivery.endpoint());
        let is_sandbox = account.is_some_and(|account| account.api().is_sandbox());
        if is_sandbox {
            delivery.mark_sandbox();
        }
        let purchase = match delivery.event().completed_purchase() {
            Ok(Some(purchase)) => purchase,
            Ok(None) => return Ok(()),
            Err(error) => return refuse("given_up", format!("this event cannot be confirmed: {error}")),
        };
        match account {
            None => without_api(delivery.endpoint()),
            Some(_) if is_sandbox && !self.allow_sandbox => refuse("sandbox", NOT_ALLOWED.into()),
            Some(_) if !can_be_confirmed(&purchase) => {
                refuse("given_up", "this event cannot be confirmed: it has no order id of Wert's form".into())
            }
            Some(account) => self.confirm(account, delivery, purchase).await,
        }
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation")
            .field("endpoints", &self.accounts.keys())
            .field("schedule", &self.schedule)
            .field("timeout", &self.timeout)
            .field("allow_sandbox", &self.allow_sandbox)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if the event has an order id of Wert's form. Without an id, a single real order would confirm any number of events with
/// different dedup keys.
fn can_be_confirmed(purchase: &CompletedPurchase) -> bool {
    purchase.order.as_ref().is_some_and(|id| is_order_id(id.as_str()))
}

/// Parks a purchase until the program has an API for its endpoint. Confirming it with another account's API could confirm one order twice.
fn without_api(endpoint: &str) -> Result<(), HandlerError> {
    tracing::error!(
        endpoint,
        "purchases cannot be confirmed and are parked: no API for this endpoint (Confirmation::for_receiver)"
    );
    count("unavailable");
    Err(HandlerError::not_yet(UNTIL_THE_PROGRAM_CHANGES, format!("no API confirms the purchases of the endpoint {endpoint:?}")))
}

fn refuse(result: &'static str, reason: String) -> Result<(), HandlerError> {
    count(result);
    Err(HandlerError::permanent(reason))
}

fn count(result: &'static str) {
    metrics::counter!("onramp_webhooks_confirmations_total", "result" => result).increment(1);
}
