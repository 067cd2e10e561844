//! Kept replies, and the requests that get them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use onramp_webhooks::adapter::{Claim, Full, Request, StoredBody};
use onramp_webhooks::idempotency::{Idempotency, IdempotencyBuilder, MemoryIdempotencyStore, Scope};
use onramp_webhooks_testkit::events::WertOrder;
use tracing::Level;

use super::harness::{Harness, Outcome, keyed};
use crate::logs::Log;

#[tokio::test]
async fn a_success_is_kept_and_replayed() {
    let harness = Harness::by_header();
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
    for _ in 0..3 {
        assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
    }
    assert_eq!(harness.post("b", "{}").await, Outcome::first(2));
}

#[tokio::test]
async fn whatever_is_no_success_runs_again() {
    let harness = Harness::by_header();
    let headers = keyed("a");
    let request = Request::new("POST", "/orders", None, &headers);
    for status in [100, 199, 300, 304, 307, 308, 400, 409, 500, 503] {
        let answer = harness.send_to(&request, "{}", async |_| (status, Bytes::from_static(b"no"))).await;
        assert_eq!(answer, Outcome { status, body: "no".into(), replayed: false });
    }
    assert_eq!(harness.post("a", "{\"other\":true}").await, Outcome::first(11), "the key is as if it had never come");
    for (key, status) in [("x", 200), ("y", 204), ("z", 299), ("r", 301), ("s", 302), ("t", 303)] {
        let headers = keyed(key);
        let request = Request::new("POST", "/orders", None, &headers);
        for replayed in [false, true] {
            let answer = harness.send_to(&request, "{}", async |_| (status, Bytes::new())).await;
            assert_eq!(answer, Outcome { status, body: Bytes::new(), replayed });
        }
    }
}

/// Posts to a route that answers with `headers`, and says with which the answer is replayed.
async fn replayed_headers<const N: usize>(idempotency: Idempotency, headers: [(&str, &str); N]) -> Vec<(String, String)> {
    let lines = keyed("a");
    let request = Request::new("POST", "/", None, &lines);
    let Claim::Run(_, guard) = idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::new())).await else {
        panic!("it is new")
    };
    let finished: StoredBody<_, Infallible> = guard.store(200, &headers, Full::new("")).await;
    assert!(matches!(finished, StoredBody::Whole(_)));
    let Claim::Answer(reply) = idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::new())).await else {
        panic!("it is done")
    };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    reply.headers().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

#[tokio::test]
async fn headers_that_mean_the_same_again_are_kept() {
    let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization())
        .keep_header("X-Order")
        .keep_header("Location")
        .build()
        .unwrap();
    let sent = [
        ("content-type", "text/plain"),
        ("Location", "/orders/1"),
        ("link", "<a>"),
        ("link", "<b>"),
        ("access-control-allow-origin", "https://shop.example"),
        ("content-location", "/orders/1"),
        ("retry-after", "3"),
        ("x-order", "1"),
        ("x-request-id", "7"),
        ("set-cookie", "session=ada"),
        ("content-length", "0"),
        ("date", "now"),
    ];
    let mut kept = replayed_headers(idempotency, sent).await;
    kept.sort();
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        kept,
        [
            line("access-control-allow-origin", "https://shop.example"),
            line("content-location", "/orders/1"),
            line("content-type", "text/plain"),
            line("idempotent-replayed", "true"),
            line("link", "<a>"),
            line("link", "<b>"),
            line("location", "/orders/1"),
            line("retry-after", "3"),
            line("x-order", "1"),
        ]
    );
}

/// A body that never ends, so that reading it would never end either.
struct Endless;

impl Stream for Endless {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn streams_and_announced_trailers_reach_their_client_as_they_come() {
    let streams = ["Text/Event-Stream; charset=utf-8", "application/x-ndjson", "application/grpc+proto", "application/json-seq"];
    for header in streams.map(|stream| ("content-type", stream)).into_iter().chain([("trailer", "server-timing")]) {
        let harness = Harness::by_header();
        let lines = keyed("a");
        let request = Request::new("POST", "/orders", None, &lines);
        let Claim::Run(_, guard) = harness.idempotency.lookup(&request).unwrap().claim(Full::new("{}")).await else {
            panic!("it is new")
        };
        assert!(matches!(guard.store(200, &[header], Endless).await, StoredBody::Untouched(Endless)));
        assert_eq!(harness.claim(&request, "{}").await.status(), 409, "it does not run again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_has_the_time_that_is_set() {
    for (limit, status) in [(None, Some(408)), (Some(Duration::from_secs(60)), None)] {
        let builder = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone());
        let builder = limit.into_iter().fold(builder, IdempotencyBuilder::body_time);
        let harness = Harness::new(builder);
        let lines = keyed("a");
        let request = Request::new("POST", "/orders", None, &lines);
        let slow = futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            Ok::<_, Infallible>(Bytes::from_static(b"{}"))
        });
        match harness.idempotency.lookup(&request).unwrap().claim(slow).await {
            Claim::Answer(reply) => assert_eq!(Some(reply.status()), status),
            Claim::Run(..) => assert_eq!(status, None),
        }
    }
}

#[tokio::test]
async fn a_reply_over_the_limit_reaches_its_client_and_nobody_else() {
    let harness = Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).reply_limit(4));
    let headers = keyed("a");
    let request = Request::new("POST", "/orders", None, &headers);
    let exactly = harness.send_to(&request, "{}", async |_| (200, Bytes::from_static(b"1234"))).await;
    assert_eq!(exactly.body, "1234");
    assert_eq!(harness.send(&request, "{}").await.body, "1234");
    assert_eq!(harness.post("b", "{}").await, Outcome::first(2));
    assert_eq!((harness.post("b", "{}").await.status, harness.runs()), (409, 2));
}

#[tokio::test]
async fn other_content_under_a_used_key_is_refused_and_the_first_stands() {
    let harness = Harness::by_header();
    assert_eq!(harness.post("a", r#"{"amount":1,"to":"ada"}"#).await, Outcome::first(1));
    assert_eq!(harness.post("a", r#"{"amount":2,"to":"ada"}"#).await.status, 422);
    assert_eq!(harness.post("a", r#"{ "to": "ada", "amount": 1 }"#).await, Outcome::replay(1), "it says the same");
    assert_eq!(harness.runs(), 1);
}

/// Only what is JSON as a whole is compared as JSON.
#[tokio::test]
async fn what_is_almost_json_is_compared_to_the_byte() {
    let harness = Harness::by_header();
    assert_eq!(harness.post("a", "{\"a\":1}\n{\"pay\":1}").await, Outcome::first(1));
    assert_eq!(harness.post("a", "{\"a\":1}\n{\"pay\":2}").await.status, 422);
}

/// The client got a partial reply, which must not be replayed.
#[tokio::test]
async fn a_reply_that_breaks_off_is_passed_on_and_not_kept() {
    let harness = Harness::by_header();
    let headers = keyed("a");
    let request = Request::new("POST", "/orders", None, &headers);
    let Claim::Run(_, guard) = harness.idempotency.lookup(&request).unwrap().claim(Full::new(Bytes::from_static(b"{}"))).await
    else {
        panic!("it is new")
    };
    let breaks = Breaks([Err("gone"), Ok(Bytes::from_static(b"half"))].into());
    let StoredBody::Rejoined(body) = guard.store(200, &headers, breaks).await else { panic!("it broke off") };
    let mut body = pin!(body);
    let mut next = async || poll_fn(|cx| body.as_mut().poll_next(cx)).await;
    assert_eq!((next().await, next().await), (Some(Ok(Bytes::from_static(b"half"))), Some(Err("gone"))));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
}

/// Chunks, the last first.
struct Breaks(Vec<Result<Bytes, &'static str>>);

impl Stream for Breaks {
    type Item = Result<Bytes, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop())
    }
}

#[tokio::test]
async fn wert_is_told_200_where_others_are_told_what_is_wrong() {
    let order = WertOrder::new();
    let (first, other) = (order.complete(), order.fiat("9999.00", "USD").complete());
    let harness = Harness::by_event();
    let none: [(&str, &str); 0] = [];
    let request = Request::new("POST", "/wert", None, &none);
    assert_eq!(harness.send(&request, first.clone()).await, Outcome::first(1));
    assert_eq!(harness.send(&request, first.clone()).await, Outcome::replay(1));
    let other = harness.send(&request, other).await;
    assert_eq!((other.status, other.body.as_ref(), other.replayed), (200, br#"{"received":true}"#.as_slice(), false));
    assert_eq!(harness.runs(), 1);
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_run() {
    let harness = Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).body_limit(4));
    assert_eq!(harness.post("a", "1234").await, Outcome::first(1));
    assert_eq!((harness.post("b", "12345").await.status, harness.runs()), (413, 1));
}

#[tokio::test]
async fn a_reply_expires() {
    let harness =
        Harness::new(Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::authorization()).keep(Duration::from_secs(10)));
    assert_eq!(harness.post("a", "{}").await, Outcome::first(1));
    harness.clock.advance(std::time::Duration::from_millis(9_999));
    assert_eq!(harness.post("a", "{}").await, Outcome::replay(1));
    harness.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(harness.post("a", "{\"new\":1}").await, Outcome::first(2));
}

/// Bodies, queries and stored replies hold personal data, and `Debug` output goes into logs.
#[tokio::test]
async fn debug_shows_no_content() {
    let harness = Harness::by_header();
    let lines = keyed("a");
    let request = Request::new("POST", "/orders", None, &lines).with_query(Some("name=hidden"));
    let body = || Full::new("hidden");
    let mut shown = format!("{:?} {:?}", body(), harness.idempotency.lookup(&request).unwrap());
    let claim = harness.idempotency.lookup(&request).unwrap().claim(body()).await;
    shown += &format!("{claim:?}");
    let Claim::Run(_, guard) = claim else { panic!("it is new") };
    let stored = guard.store(200, &[("location", "/hidden")], body()).await;
    shown += &format!("{stored:?}");
    let Claim::Answer(reply) = harness.idempotency.lookup(&request).unwrap().claim(body()).await else { panic!("it is done") };
    assert_eq!(reply.body(), "hidden");
    shown += &format!("{reply:?} {:?}", harness.idempotency);
    assert!(!shown.contains("hidden") && shown.contains("6 bytes"), "{shown}");
}

/// A client that repeats a request that is refused writes few lines.
#[tokio::test(start_paused = true)]
async fn refusals_are_logged_once_a_second_with_their_number() {
    let harness = Harness::by_header();
    harness.post("a", "{}").await;
    let (log, _guard) = Log::listen("idempotency", Level::WARN);
    for _ in 0..100 {
        assert_eq!(harness.post("a", "{\"other\":1}").await.status, 422);
    }
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(harness.post("a", "{\"other\":1}").await.status, 422);
    let lines = log.take();
    assert_eq!(lines.iter().map(|line| line.field("requests")).collect::<Vec<_>>(), ["1", "100"], "{lines:?}");
    assert!(lines.iter().all(|line| line.field("why").contains("other content")), "{lines:?}");
}
