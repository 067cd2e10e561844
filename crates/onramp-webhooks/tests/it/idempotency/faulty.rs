//! Stores that fail and hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{Idempotency, IdempotencyStore, KeyLease, KeyState, MemoryIdempotencyStore, Scope};
use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};
use onramp_webhooks_testkit::doubles::{Double, IdempotencyDouble};

use super::harness::{Harness, Outcome};

/// A memory store behind a bad line.
#[derive(Debug)]
pub(super) struct Faulty {
    store: Arc<MemoryIdempotencyStore>,
    renews: bool,
    tells: bool,
    pauses: bool,
    prunes: AtomicU32,
    claims_that_hang: AtomicU32,
    claims_that_fail: AtomicU32,
    renewals_that_hang: AtomicU32,
    completions_that_hang: AtomicU32,
    completions_that_fail: AtomicU32,
    releases_that_hang: AtomicU32,
    releases_that_fail: AtomicU32,
}

impl Faulty {
    pub(super) fn over(store: Arc<MemoryIdempotencyStore>) -> Self {
        Self {
            store,
            renews: true,
            tells: true,
            pauses: false,
            prunes: AtomicU32::new(0),
            claims_that_hang: AtomicU32::new(0),
            claims_that_fail: AtomicU32::new(0),
            renewals_that_hang: AtomicU32::new(0),
            completions_that_hang: AtomicU32::new(0),
            completions_that_fail: AtomicU32::new(0),
            releases_that_hang: AtomicU32::new(0),
            releases_that_fail: AtomicU32::new(0),
        }
    }

    pub(super) fn without_renewal(self) -> Self {
        Self { renews: false, ..self }
    }

    /// As if another process wrote.
    pub(super) fn without_a_word(self) -> Self {
        Self { tells: false, ..self }
    }

    /// Lets others go first before and after every step.
    pub(super) fn with_pauses(self) -> Self {
        Self { pauses: true, ..self }
    }

    async fn pause(&self) {
        if self.pauses {
            tokio::task::yield_now().await;
        }
    }

    /// Says so often that more is left to prune.
    pub(super) fn pruning(self, rounds: u32) -> Self {
        Self { prunes: rounds.into(), ..self }
    }
}

/// Never returns while there is one left.
async fn hang(left: &AtomicU32) {
    if one_of(left) {
        std::future::pending::<()>().await;
    }
}

/// Takes one from what is left.
fn one_of(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::new(StoreErrorKind::Unavailable, "as a test"))
}

#[async_trait]
impl IdempotencyDouble for Faulty {
    fn inner(&self) -> &dyn IdempotencyStore {
        &*self.store
    }

    async fn claim(&self, now: Timestamp, claim: KeyLease, body: Fingerprint, until: Timestamp) -> Result<KeyState, StoreError> {
        if one_of(&self.claims_that_fail) {
            return away();
        }
        self.pause().await;
        let found = self.store.claim(now, claim, body, until).await;
        self.pause().await;
        hang(&self.claims_that_hang).await;
        found
    }

    async fn renew(&self, claim: KeyLease, until: Timestamp) -> Result<bool, StoreError> {
        hang(&self.renewals_that_hang).await;
        if self.renews { self.store.renew(claim, until).await } else { away() }
    }

    async fn complete(&self, claim: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        hang(&self.completions_that_hang).await;
        if one_of(&self.completions_that_fail) {
            return away();
        }
        self.pause().await;
        let completed = self.store.complete(claim, reply, expires_at).await;
        self.pause().await;
        completed
    }

    async fn release(&self, claim: KeyLease) -> Result<bool, StoreError> {
        hang(&self.releases_that_hang).await;
        if one_of(&self.releases_that_fail) {
            return away();
        }
        self.pause().await;
        let released = self.store.release(claim).await;
        self.pause().await;
        released
    }

    async fn changed(&self) {
        if !self.tells {
            std::future::pending::<()>().await;
        }
        self.store.changed().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        if one_of(&self.prunes) { Ok(1) } else { self.store.prune(now).await }
    }
}

fn faulty() -> Faulty {
    Faulty::over(Arc::default())
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_lets_nothing_run() {
    let harness = Harness::on(Double(Faulty { claims_that_fail: 2.into(), ..faulty() }));
    for _ in 0..2 {
        assert_eq!(harness.post("a", "{}").await.status, 503);
    }
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
}

/// The claim may have happened; then the key must not stay held.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_away_and_holds_no_key() {
    let harness =
        Harness::new(Idempotency::by_header(Double(Faulty { claims_that_hang: 1.into(), ..faulty() }), Scope::authorization()));
    let begun = tokio::time::Instant::now();
    assert_eq!(harness.post("a", "{}").await.status, 503);
    assert!(begun.elapsed() < Duration::from_secs(5), "Wert waits five seconds");
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_kept_at_once_is_kept_later() {
    let harness = Harness::on(Double(Faulty { completions_that_fail: 3.into(), ..faulty() }));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
}

/// The client has its answer soon, and the key is held while the reply waits to be kept.
#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_for_a_store_that_stays_away() {
    let harness = Harness::on(Double(Faulty { completions_that_fail: 20.into(), ..faulty() }));
    let begun = tokio::time::Instant::now();
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(harness.post("a", "{}").await.status, 409);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
}

/// The response does not depend on the release.
#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_for_a_release_that_hangs() {
    let harness = Harness::on(Double(Faulty { releases_that_hang: 1.into(), ..faulty() }));
    let headers = super::harness::keyed("a");
    let request = onramp_webhooks::adapter::Request::new("POST", "/orders", None, &headers);
    let begun = tokio::time::Instant::now();
    let answer = harness.send_to(&request, "{}", async |_| (422, Bytes::from_static(b"no such coin")));
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), answer).await.unwrap().status, 422);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

/// A call that is lost on its way is made again before the lease ends.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_does_not_lose_the_lease() {
    let harness = Harness::on(Double(Faulty { renewals_that_hang: 1.into(), ..faulty() }));
    let headers = super::harness::keyed("a");
    let request = onramp_webhooks::adapter::Request::new("POST", "/orders", None, &headers);
    let answer = harness.send_to(&request, "{}", async |run| {
        for _ in 0..60 {
            harness.clock.advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(harness.post("a", "{}").await.status, 409);
        }
        (201, Bytes::from(format!("run {run}")))
    });
    assert_eq!(answer.await, Outcome::first(1));
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_kept_although_a_call_hangs() {
    let harness = Harness::on(Double(Faulty { completions_that_hang: 1.into(), ..faulty() }));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_leaves_the_key_to_its_lease() {
    let harness = Harness::on(Double(Faulty { releases_that_fail: 1.into(), ..faulty() }));
    let headers = super::harness::keyed("a");
    let request = onramp_webhooks::adapter::Request::new("POST", "/orders", None, &headers);
    assert_eq!(harness.send_to(&request, "{}", async |_| (500, Bytes::new())).await.status, 500);
    assert_eq!(harness.post("a", "{}").await.status, 409);
    harness.clock.advance(Duration::from_secs(30));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(2));
}
