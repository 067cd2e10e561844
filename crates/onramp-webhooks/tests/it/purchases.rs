//! Postbacks of purchases that were started here, and of others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{Clock, ManualClock, Timestamp};
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{DeadCause, Filter, Inbox, MemoryInbox, Record, ReplayScope, Replayed, State, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks::purchases::{
    KnownPurchases, MemoryPurchaseStore, PrunePurchases, Purchase, PurchaseStatus, PurchaseStore, release,
};
use onramp_webhooks::worker::{PeriodicTask, Worker};
use onramp_webhooks::{Kriptomat, Receiver, StoreError, StoreErrorKind, Wert, async_trait};
use onramp_webhooks_testkit::events::{Postback, WertOrder};

use crate::worker::harness::{Remembering, rest};

/// A store that can be away. Clones are the same one.
#[derive(Clone, Debug, Default)]
struct Purchases {
    inner: Arc<MemoryPurchaseStore>,
    away: Arc<AtomicBool>,
}

#[async_trait]
impl PurchaseStore for Purchases {
    async fn start(&self, purchase: Purchase) -> Result<(), StoreError> {
        self.inner.start(purchase).await
    }

    async fn find(&self, id: &OrderId) -> Result<PurchaseStatus, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "test"));
        }
        self.inner.find(id).await
    }

    async fn release(&self, id: &OrderId, now: Timestamp) -> Result<(), StoreError> {
        self.inner.release(id, now).await
    }

    async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.prune(before).await
    }
}

struct Shop {
    receiver: Receiver,
    purchases: Purchases,
    handled: Remembering,
    clock: ManualClock,
    _worker: Worker,
}

impl Shop {
    fn open() -> Self {
        let (purchases, handled) = (Purchases::default(), Remembering::default());
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let receiver = Receiver::builder(MemoryInbox::new())
            .endpoint(Kriptomat::with_path_secret("s3cret-for-examples"))
            .endpoint(Wert::with_path_secret("s3cret-for-examples"))
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap();
        let worker = receiver.worker(handled.clone()).before(KnownPurchases::new(purchases.clone())).spawn();
        Self { receiver, purchases, handled, clock, _worker: worker }
    }

    async fn post(&self, path: &str, body: bytes::Bytes) {
        assert_eq!(self.receiver.receive(&Request::new("POST", path, None, &[]), Full::new(body)).await.status(), 200);
        rest().await;
    }

    async fn postback(&self, postback: &Postback) {
        self.post("/kriptomat/s3cret-for-examples", postback.json()).await;
    }

    async fn start(&self, postback: &Postback) -> Purchase {
        let started = Purchase::new(postback.uuid().unwrap(), self.clock.now())
            .asset_type("ETH")
            .to_address("0xC9C87f267ae87702e80821c8cc5a559f6f33f2a0")
            .fiat_amount("180.4".parse().unwrap());
        self.purchases.start(started.clone()).await.unwrap();
        started
    }

    fn inbox(&self) -> &dyn Inbox {
        &**self.receiver.inbox()
    }

    async fn kept(&self) -> Vec<Record> {
        self.inbox().list(Filter::all()).await.unwrap().records
    }

    /// The only delivery must be held for this reason.
    async fn held(&self, note: &str) -> Record {
        let [record] = <[Record; 1]>::try_from(self.kept().await).unwrap();
        assert_eq!((record.state, record.note.as_deref()), (State::Dead, Some(note)));
        assert_eq!(self.handled.seen(), BTreeMap::new());
        record
    }
}

const UNKNOWN: &str = "no purchase with this id was started";

#[tokio::test(start_paused = true)]
async fn what_was_started_here_is_handled_and_so_is_what_others_send() {
    let shop = Shop::open();
    let postback = Postback::new();
    shop.start(&postback).await;
    let other_case = postback.uuid().unwrap().to_ascii_uppercase();
    shop.postback(&postback.with("uuid", other_case)).await;
    shop.post("/wert/s3cret-for-examples", WertOrder::new().complete()).await;
    assert_eq!(shop.handled.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_uuid_is_held_also_when_it_comes_again() {
    let shop = Shop::open();
    let forged = Postback::new();
    shop.start(&Postback::new()).await;
    shop.postback(&forged).await;
    shop.held(UNKNOWN).await;
    shop.postback(&forged).await;
    let record = shop.held(UNKNOWN).await;
    assert_eq!((record.duplicates, record.cause), (1, Some(DeadCause::RefusedByCheck)), "a copy changes nothing");
    shop.start(&forged).await;
    shop.postback(&forged).await;
    assert_eq!(shop.handled.seen(), [].into(), "what was refused waits for an operator");
    replay(shop.inbox(), &Providers::default(), record.id, ReplayScope::Unhandled, shop.clock.now()).await.unwrap();
    rest().await;
    assert_eq!(shop.handled.seen(), [(record.id, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_is_held_and_told_without_the_values() {
    for (field, value, note) in [
        ("asset_type", "btc", "differs from the purchase that was started: another asset"),
        ("to_address", "0xbad", "differs from the purchase that was started: another address"),
        ("fiat_amount", "9000.00", "differs from the purchase that was started: another amount paid"),
        ("additional_fields[0]", "eve", "differs from the purchase that was started: another additional field"),
    ] {
        let shop = Shop::open();
        let postback = Postback::new();
        shop.start(&postback).await;
        shop.postback(&postback.with(field, value)).await;
        shop.held(note).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_released_is_handled_once() {
    let shop = Shop::open();
    let postback = Postback::new();
    shop.postback(&postback).await;
    let held = shop.held(UNKNOWN).await;
    // A replay alone is not a release.
    assert_eq!(
        replay(shop.inbox(), shop.receiver.providers(), held.id, ReplayScope::Unhandled, shop.clock.now()).await.unwrap(),
        Replayed::Due
    );
    rest().await;
    shop.held(UNKNOWN).await;
    assert_eq!(
        release(shop.inbox(), shop.receiver.providers(), &shop.purchases, held.id, shop.clock.now()).await.unwrap(),
        Replayed::Due
    );
    rest().await;
    shop.postback(&postback).await;
    assert_eq!(shop.handled.seen(), [(held.id, 1)].into());
    let again = release(shop.inbox(), shop.receiver.providers(), &shop.purchases, held.id, shop.clock.now()).await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::Refused, "{again}");
}

#[tokio::test(start_paused = true)]
async fn the_true_postback_after_a_forged_one_is_a_conflict_and_passes_when_it_is_replayed() {
    let shop = Shop::open();
    let postback = Postback::new();
    shop.start(&postback).await;
    let forged = postback.clone().with("to_address", "0xbad");
    shop.postback(&forged).await;
    shop.postback(&postback).await;
    let kept = shop.kept().await;
    assert_eq!((kept[0].state, kept[1].state), (State::Conflict, State::Dead));
    let refused =
        release(shop.inbox(), shop.receiver.providers(), &shop.purchases, kept[0].id, shop.clock.now()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Refused, "{refused}");
    shop.postback(&forged).await;
    assert_eq!(shop.handled.seen(), BTreeMap::new(), "nothing was released");
    replay(shop.inbox(), shop.receiver.providers(), kept[0].id, ReplayScope::EvenConflicts, shop.clock.now()).await.unwrap();
    rest().await;
    assert_eq!(shop.handled.seen(), [(kept[0].id, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_postbacks_wait_and_no_attempt_counts() {
    let shop = Shop::open();
    let postback = Postback::new();
    shop.start(&postback).await;
    shop.purchases.away.store(true, Ordering::SeqCst);
    shop.postback(&postback).await;
    for _ in 0..100 {
        shop.clock.advance(Duration::from_secs(5));
        rest().await;
    }
    let waiting = shop.kept().await.remove(0);
    assert_eq!((waiting.state, waiting.attempts), (State::Parked, 0));
    shop.purchases.away.store(false, Ordering::SeqCst);
    shop.clock.advance(Duration::from_secs(5));
    rest().await;
    assert_eq!(shop.handled.seen(), [(waiting.id, 1)].into());
}

#[tokio::test(start_paused = true)]
async fn only_a_postback_can_be_released() {
    let shop = Shop::open();
    shop.post("/wert/s3cret-for-examples", WertOrder::new().complete()).await;
    let wert = shop.kept().await.remove(0);
    let refused = release(shop.inbox(), shop.receiver.providers(), &shop.purchases, wert.id, shop.clock.now()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Refused, "{refused}");
    let missing = onramp_webhooks::inbox::DeliveryId::from_i64(77);
    let error = release(shop.inbox(), shop.receiver.providers(), &shop.purchases, missing, shop.clock.now()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
}

#[tokio::test]
async fn purchases_are_kept_for_ninety_days_unless_told_otherwise() {
    let (store, clock) = (Arc::new(MemoryPurchaseStore::new()), ManualClock::at(Timestamp::from_millis(0)));
    store.start(Purchase::new("c472856c", clock.now())).await.unwrap();
    let is_kept = async || store.find(&"c472856c".into()).await.unwrap().started.is_some();
    let (day, prune) = (Duration::from_secs(24 * 3_600), PrunePurchases::new(Arc::clone(&store)).clock(Arc::new(clock.clone())));
    clock.advance(day * 90);
    prune.run().await.unwrap();
    assert!(is_kept().await);
    clock.advance(Duration::from_millis(1));
    PrunePurchases::new(Arc::clone(&store)).clock(Arc::new(clock.clone())).retention(day * 91).run().await.unwrap();
    assert!(is_kept().await);
    prune.run().await.unwrap();
    assert!(!is_kept().await);
}
