//! Deliveries for tests without a provider or a worker.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, Inbox, MemoryInbox, NewDelivery, Recorded};
use onramp_webhooks::provider::{Endpoint, Provider, Providers};
use onramp_webhooks::{Delivery, Receiver, StoreError, Wert};

use crate::doubles::{Double, InboxDouble};

/// Returns a delivery as a handler gets it. Accepts an event body of Wert's, or a [`TestDelivery`] of any provider.
///
/// The body is read by a receiver, so the delivery has the dedup key and the fingerprint of a real one.
///
/// # Panics
/// If the body is not an event.
///
/// ```
/// use onramp_webhooks_testkit::delivery;
/// use onramp_webhooks_testkit::events::WertOrder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let delivery = delivery(WertOrder::new().fiat("100.00", "EUR").complete()).await;
/// let purchase = delivery.completed_purchase().unwrap().unwrap();
/// assert_eq!(purchase.fiat.to_string(), "100.00 EUR");
/// assert_eq!(delivery.attempt(), 1);
/// # }
/// ```
pub async fn delivery(delivery: impl Into<TestDelivery>) -> Delivery {
    let delivery = delivery.into();
    let inbox = MemoryInbox::new();
    let recorded = inbox.record(delivery.read().await).await.expect("the inbox in memory records");
    assert!(matches!(recorded, Recorded::New(_)), "the inbox was empty");
    let due = inbox.claim(delivery.received_at, ClaimRequest::new(1, super::attempt::LEASE)).await.expect("it can be claimed");
    delivery.claimed(due.deliveries.into_iter().next().expect("a new delivery is due"))
}

/// A delivery for a test, of any provider and with any history.
///
/// ```
/// use onramp_webhooks::Kriptomat;
/// use onramp_webhooks_testkit::events::Postback;
/// use onramp_webhooks_testkit::{TestDelivery, delivery};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let late = TestDelivery::new::<Kriptomat>(Postback::new().json()).attempt(3).stale();
/// let delivery = delivery(late).await;
/// assert_eq!((delivery.provider().as_str(), delivery.attempt(), delivery.is_stale()), ("kriptomat", 3, true));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TestDelivery {
    endpoint: Endpoint,
    providers: Providers,
    body: Bytes,
    pub(super) received_at: Timestamp,
    attempt: u32,
    stale: bool,
    duplicates: u64,
}

impl TestDelivery {
    /// A delivery that has just arrived at the provider's endpoint, and is tried for the first time.
    pub fn new<P: Provider + Default>(body: impl Into<Bytes>) -> Self {
        Self {
            endpoint: Endpoint::open(P::default()),
            providers: Providers::default().with::<P>(),
            body: body.into(),
            received_at: Timestamp::now(),
            attempt: 1,
            stale: false,
            duplicates: 0,
        }
    }

    /// Sets the name of the endpoint.
    pub fn endpoint(mut self, name: impl Into<Arc<str>>) -> Self {
        self.endpoint = self.endpoint.named(name);
        self
    }

    /// Sets the time of arrival.
    pub const fn received_at(mut self, moment: Timestamp) -> Self {
        self.received_at = moment;
        self
    }

    /// Sets the number of the attempt, starting at 1.
    pub const fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Marks the delivery as stale: a later state of its order has been handled.
    pub const fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// Sets the number of duplicates that arrived later.
    pub const fn duplicates(mut self, duplicates: u64) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Passes the body to a receiver, and returns the delivery that the receiver records.
    pub(super) async fn read(&self) -> NewDelivery {
        let recorded = Arc::new(Recording::default());
        let clock = Arc::new(ManualClock::at(self.received_at));
        let receiver = Receiver::builder(Double(Shared(Arc::clone(&recorded)))).endpoint(self.endpoint.clone()).clock(clock);
        let receiver = receiver.build().expect("an endpoint with a name can be built");
        let path = format!("/{}", self.endpoint.name());
        let reply = receiver.receive(&Request::new("POST", &path, None, &[]), Full::new(self.body.clone())).await;
        let new = recorded.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let new = new.unwrap_or_else(|| panic!("the receiver replied with {} and recorded nothing", reply.status()));
        if let Some(quarantine) = &new.quarantine {
            panic!("the body is not an event of {}: {}", new.provider, quarantine.reason);
        }
        new
    }

    /// Copies the history of this delivery to a claimed one.
    pub(super) fn claimed(&self, claimed: ClaimedDelivery) -> Delivery {
        let duplicates = claimed.duplicates + self.duplicates;
        let (attempt, stale) = (claimed.attempt.max(self.attempt), claimed.stale || self.stale);
        Delivery::read(ClaimedDelivery { attempt, stale, duplicates, ..claimed }, &self.providers)
            .expect("the receiver has read it")
    }
}

/// An event body of Wert's.
impl<B: Into<Bytes>> From<B> for TestDelivery {
    fn from(body: B) -> Self {
        Self::new::<Wert>(body)
    }
}

/// An inbox that only keeps the last delivery to record.
#[derive(Debug, Default)]
struct Recording(Mutex<Option<NewDelivery>>, MemoryInbox);

#[derive(Debug)]
struct Shared(Arc<Recording>);

#[async_trait]
impl InboxDouble for Shared {
    fn inner(&self) -> &dyn Inbox {
        &self.0.1
    }

    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery.clone());
        self.inner().record(delivery).await
    }
}
