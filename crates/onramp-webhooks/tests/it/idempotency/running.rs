//! Requests that arrive while the first one runs.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use onramp_webhooks::adapter::Request;
use onramp_webhooks::idempotency::{Idempotency, MemoryIdempotencyStore, Scope};
use onramp_webhooks_testkit::doubles::Double;
use tokio::sync::{Barrier, Notify};
use tracing::Level;

use super::faulty::Faulty;
use super::harness::{Harness, Outcome, keyed, spawn};
use crate::logs::Log;
use crate::tools::header;

/// Starts a request whose route has begun and ends with `status` when it is told to.
async fn held(harness: &Harness, key: &'static str, status: u16) -> (tokio::task::JoinHandle<Outcome>, Arc<Notify>) {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (harness, has_begun, ends) = (harness.clone(), Arc::clone(&begun), Arc::clone(&end));
    let task = spawn(async move {
        let headers = keyed(key);
        let request = Request::new("POST", "/orders", None, &headers);
        let route = async |run| {
            has_begun.notify_one();
            ends.notified().await;
            (status, Bytes::from(format!("run {run}")))
        };
        harness.send_to(&request, "{}", route).await
    });
    begun.notified().await;
    (task, end)
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_and_gets_the_reply() {
    let harness = Harness::by_header();
    let (first, end) = held(&harness, "a", 201).await;
    let copy = spawn({
        let harness = harness.clone();
        async move { harness.post("a", "{}").await }
    });
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert!(!copy.is_finished());
    end.notify_one();
    assert_eq!((first.await.unwrap(), copy.await.unwrap()), (Outcome::first(1), Outcome::replay(1)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_no_longer_than_it_may() {
    let harness = Harness::by_header();
    let (first, end) = held(&harness, "a", 201).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(harness.post("a", "{}").await.status, 409);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(harness.post("a", "{\"other\":1}").await.status, 422, "other content need not wait");
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    end.notify_one();
    assert_eq!(first.await.unwrap(), Outcome::first(1));
}

/// Writes of another process wake nobody.
#[tokio::test(start_paused = true)]
async fn a_copy_looks_by_itself_when_nobody_tells() {
    let harness = Harness::new(Idempotency::by_header(Double(Faulty::over(Arc::default()).without_a_word()), Scope::everyone()));
    let (first, end) = held(&harness, "a", 201).await;
    let copy = spawn({
        let harness = harness.clone();
        async move { harness.post("a", "{}").await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    end.notify_one();
    assert_eq!(first.await.unwrap(), Outcome::first(1));
    assert_eq!(tokio::time::timeout(Duration::from_millis(200), copy).await.unwrap().unwrap(), Outcome::replay(1));
}

#[tokio::test(start_paused = true)]
async fn a_copy_runs_when_the_first_fails() {
    let harness = Harness::by_header();
    let (first, end) = held(&harness, "a", 500).await;
    let copy = spawn({
        let harness = harness.clone();
        async move { harness.post("a", "{}").await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    end.notify_one();
    assert_eq!(first.await.unwrap().status, 500);
    assert_eq!(copy.await.unwrap(), Outcome::first(2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_releases_the_key() {
    let harness = Harness::by_header();
    let panics = spawn({
        let harness = harness.clone();
        async move {
            let headers = keyed("a");
            harness.send_to(&Request::new("POST", "/orders", None, &headers), "{}", async |_| panic!("as a test")).await
        }
    });
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(harness.post("a", "{}").await, Outcome::first(2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_releases_the_key() {
    let harness = Harness::by_header();
    let (first, _end) = held(&harness, "a", 201).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(harness.post("a", "{}").await, Outcome::first(2));
}

/// The next request with the key runs or gets the reply; it never finds a key without a holder.
#[tokio::test(start_paused = true)]
async fn a_client_may_go_away_at_any_moment() {
    for (status, moments) in [(201, 12), (500, 12)] {
        let mut ended = false;
        for moment in 1..=moments {
            let harness =
                Harness::new(Idempotency::by_header(Double(Faulty::over(Arc::default()).with_pauses()), Scope::everyone()));
            let headers = keyed("a");
            let request = Request::new("POST", "/orders", None, &headers);
            let mut sent = Box::pin(harness.send_to(&request, "{}", async |run| {
                tokio::task::yield_now().await;
                (status, Bytes::from(format!("run {run}")))
            }));
            ended = false;
            for _ in 0..moment {
                ended = poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx).is_ready())).await;
                if ended {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(sent);
            let begun = tokio::time::Instant::now();
            assert_eq!(harness.post("a", "{}").await.status, 201, "dropped at the moment {moment}");
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
        assert!(ended, "the last moment is behind the end");
    }
}

/// A copy that was acknowledged would not be sent again, and its event would be gone if the first one failed.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_running_event_is_not_acknowledged() {
    for (status, copy) in [(201, Outcome::replay(1)), (500, Outcome::first(2))] {
        let (log, _listening) = Log::listen("idempotency", Level::WARN);
        let harness = Harness::by_event();
        let none: [(&str, &str); 0] = [];
        let request = Request::new("POST", "/orders", None, &none);
        let event = r#"{"type":"login","click_id":"1"}"#;
        let first = harness.send_to(&request, event, async |run| {
            let begun = tokio::time::Instant::now();
            let reply = harness.claim(&request, event).await;
            assert_eq!((reply.status(), begun.elapsed()), (503, Duration::from_secs(2)));
            assert_eq!(header(&reply, "retry-after"), Some("5"), "the provider sends it again");
            (status, Bytes::from(format!("run {run}")))
        });
        assert_eq!(first.await.status, status);
        assert_eq!(harness.runs(), 1);
        let entries = log.take();
        assert!(entries.iter().all(|entry| entry.level > Level::ERROR), "nothing is lost: {entries:?}");
        assert_eq!(harness.send(&request, event).await, copy, "the copy that is sent again, after {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_running_event_that_ends_in_time_gets_the_reply() {
    let harness = Harness::by_event();
    let none: [(&str, &str); 0] = [];
    let request = Request::new("POST", "/orders", None, &none);
    let event = r#"{"type":"login","click_id":"1"}"#;
    let first = harness.send_to(&request, event, async |run| {
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        (201, Bytes::from(format!("run {run}")))
    });
    let (first, copy) = tokio::join!(first, harness.send(&request, event));
    assert_eq!((first, copy), (Outcome::first(1), Outcome::replay(1)));
}

/// If it were acknowledged at once, nothing would be handled when the first one fails.
#[tokio::test(start_paused = true)]
async fn another_body_of_a_running_event_waits_for_the_first() {
    let order = include_str!("../../../fixtures/wert/order_complete.json");
    let other = order.replace("250.00", "9999.00");
    let none: [(&str, &str); 0] = [];
    let request = Request::new("POST", "/orders", None, &none);
    for (after, status, then) in [(1, 500, (201, 2)), (1, 201, (200, 1)), (3, 500, (503, 1)), (3, 201, (503, 1))] {
        let harness = Harness::by_event();
        let first = harness.send_to(&request, order, async |run| {
            tokio::time::sleep(Duration::from_secs(after)).await;
            (status, Bytes::from(format!("run {run}")))
        });
        let (first, second) = tokio::join!(first, harness.send(&request, other.clone()));
        assert_eq!((first.status, second.status, harness.runs()), (status, then.0, then.1), "{status} after {after} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_copies_at_once_one_runs() {
    for _ in 0..20 {
        let harness = Harness::new(
            Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).wait(Duration::from_secs(4)),
        );
        let together = Arc::new(Barrier::new(100));
        let copies: Vec<_> = (0..100)
            .map(|_| {
                let (harness, together) = (harness.clone(), Arc::clone(&together));
                spawn(async move {
                    together.wait().await;
                    harness.post("a", "{}").await
                })
            })
            .collect();
        let mut first = 0;
        for copy in copies {
            let answer = copy.await.unwrap();
            assert_eq!((answer.status, answer.body.as_ref()), (201, b"run 1".as_slice()));
            first += u32::from(!answer.replayed);
        }
        assert_eq!((first, harness.runs()), (1, 1));
    }
}
