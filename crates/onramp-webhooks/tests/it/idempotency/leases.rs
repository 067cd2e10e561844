//! Leases: keys of processes that died, and late replies.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use onramp_webhooks::adapter::{Claim, Full, Request, StoredBody};
use onramp_webhooks::clock::{Clock as _, Timestamp};
use onramp_webhooks::idempotency::{Idempotency, IdempotencyStore, MemoryIdempotencyStore, Scope};
use onramp_webhooks_testkit::doubles::Double;
use tokio::sync::mpsc;

use super::faulty::Faulty;
use super::harness::{Harness, Outcome, keyed};

/// A request that has claimed its key and whose process is gone, so the claim is neither renewed nor released.
async fn dead(harness: &Harness, key: &str) {
    let headers = keyed(key);
    let request = Request::new("POST", "/orders", None, &headers);
    let Claim::Run(_, guard) = harness.idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::from_static(b"{}"))).await
    else {
        panic!("it is new")
    };
    std::mem::forget(guard);
}

#[tokio::test]
async fn a_key_is_free_when_the_lease_of_the_dead_has_ended() {
    let harness =
        Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).wait(Duration::ZERO));
    dead(&harness, "a").await;
    harness.clock.advance(Duration::from_millis(29_999));
    assert_eq!(harness.post("a", "{}").await.status, 409);
    harness.clock.advance(Duration::from_millis(1));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_its_request_runs() {
    let harness =
        Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).wait(Duration::ZERO));
    let headers = keyed("a");
    let request = Request::new("POST", "/orders", None, &headers);
    let answer = harness.send_to(&request, "{}", async |run| {
        for _ in 0..20 {
            tokio::task::yield_now().await;
            harness.clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
            assert_eq!(harness.post("a", "{}").await.status, 409);
        }
        (201, Bytes::from(format!("run {run}")))
    });
    assert_eq!(answer.await, Outcome::first(1));
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
}

/// Chunks of a body that come when they are sent.
struct Slow(mpsc::UnboundedReceiver<Bytes>);

impl Stream for Slow {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(Ok))
    }
}

/// A route that streams its reply still works while it does.
#[tokio::test]
async fn a_lease_lasts_as_long_as_its_reply_is_read() {
    let harness =
        Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).wait(Duration::ZERO));
    let headers = keyed("a");
    let request = Request::new("POST", "/orders", None, &headers);
    let Claim::Run(_, guard) = harness.idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::from_static(b"{}"))).await
    else {
        panic!("it is new")
    };
    let (chunks, body) = mpsc::unbounded_channel();
    let streams = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
            harness.clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
            assert_eq!(harness.post("a", "{}").await.status, 409);
        }
        chunks.send(Bytes::from_static(b"streamed")).unwrap();
        drop(chunks);
    };
    let none: [(&str, &str); 0] = [];
    let (finished, ()) = tokio::join!(guard.store(201, &none, Slow(body)), streams);
    assert!(matches!(finished, StoredBody::Whole(body) if body == "streamed"));
    assert_eq!(harness.post("a", "{}").await.body, "streamed");
}

/// The route has succeeded: a customer must not pay twice because a connection broke.
#[tokio::test]
async fn a_client_that_goes_away_while_it_reads_a_success_does_not_let_it_run_again() {
    for (status, polls, again) in [(201, 0, 409), (201, 3, 409), (500, 0, 201)] {
        let harness =
            Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).wait(Duration::ZERO));
        let headers = keyed("a");
        let request = Request::new("POST", "/orders", None, &headers);
        let Claim::Run(_, guard) =
            harness.idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::from_static(b"{}"))).await
        else {
            panic!("it is new")
        };
        let (chunks, body) = mpsc::unbounded_channel();
        chunks.send(Bytes::from_static(b"half of it")).unwrap();
        let none: [(&str, &str); 0] = [];
        let mut finishing = Box::pin(guard.store(status, &none, Slow(body)));
        for _ in 0..polls {
            let is_ready = std::future::poll_fn(|cx| std::task::Poll::Ready(finishing.as_mut().poll(cx).is_ready())).await;
            assert!(!is_ready, "it waits for the rest");
        }
        drop(finishing);
        tokio::task::yield_now().await;
        harness.clock.advance(Duration::from_secs(3_600));
        assert_eq!(harness.post("a", "{}").await.status, again, "{status} after {polls} polls");
        assert_eq!(harness.runs(), u32::from(again == 201));
    }
}

/// A request that stalls past its lease ends after the one that took over, and its reply is not kept over the other's.
#[tokio::test]
async fn who_lost_the_lease_keeps_nothing_and_releases_nothing() {
    let store = Arc::new(MemoryIdempotencyStore::new());
    let harness = Harness::on(Double(Faulty::over(Arc::clone(&store)).without_renewal()));
    for status in [201, 500] {
        let key = if status == 201 { "a" } else { "b" };
        let headers = keyed(key);
        let request = Request::new("POST", "/orders", None, &headers);
        let stalled = harness.send_to(&request, "{}", async |_| {
            harness.clock.advance(Duration::from_secs(30));
            assert!(!harness.post(key, "{}").await.replayed, "it takes over");
            (status, Bytes::from_static(b"stalled"))
        });
        assert_eq!(stalled.await.body, "stalled");
        let replayed = harness.post(key, "{}").await;
        assert!(replayed.replayed && replayed.body.starts_with(b"run"), "{replayed:?}");
    }
}

#[tokio::test]
async fn what_has_expired_is_removed_beside_the_requests() {
    let store = Arc::new(MemoryIdempotencyStore::new());
    let harness = Harness::on(Double(Faulty::over(Arc::clone(&store)).pruning(3)));
    for key in ["a", "b", "c"] {
        harness.post(key, "{}").await;
    }
    harness.clock.advance(Duration::from_secs(25 * 3_600));
    harness.post("d", "{}").await;
    holds(&store, 1).await;
}

/// A clock that was a year ahead when the process began is set right. What was stored meanwhile expires in a year.
#[tokio::test]
async fn a_clock_that_was_ahead_stops_no_removal() {
    let store = Arc::new(MemoryIdempotencyStore::new());
    let harness = Harness::on(Double(Faulty::over(Arc::clone(&store))));
    let right = harness.clock.now();
    harness.clock.advance(Duration::from_secs(365 * 24 * 3_600));
    harness.post("ahead", "{}").await;
    // The removal of that time ends first.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    harness.clock.set(right);
    harness.post("a", "{}").await;
    harness.clock.advance(Duration::from_secs(25 * 3_600));
    harness.post("b", "{}").await;
    holds(&store, 2).await;
}

/// Waits until the store holds so many keys.
async fn holds(store: &MemoryIdempotencyStore, keys: usize) {
    let pruned = async {
        while store.prune(Timestamp::from_millis(0)).await.unwrap() != 0
            || !format!("{store:?}").contains(&format!("keys: {keys},"))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), pruned).await.unwrap();
}
