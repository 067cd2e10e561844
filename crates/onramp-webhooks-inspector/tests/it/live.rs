//! Live updates, and the overview that clients share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::join_all;
use onramp_webhooks::adapter::{PageBody, PageStream};
use onramp_webhooks::clock::ManualClock;
use onramp_webhooks::inbox::{Inbox, MemoryInbox, Settled};
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_inspector::Inspector;
use onramp_webhooks_testkit::doubles::{Double, InboxCall, InboxDouble};
use serde_json::Value;

use crate::tools::{Answer, COMPLETE, NOW, READER, TOKEN, Under, request};

const SECOND: Duration = Duration::from_secs(1);

/// An open stream.
struct Events(PageStream);

impl Events {
    async fn open(under: &Under, token: &str, known: &str) -> Self {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("last-event-id", if known.is_empty() { "-" } else { known })];
        Self::of(under.send(request("GET", "/api/events", &headers, "")).await).await
    }

    async fn of(answer: Answer) -> Self {
        assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!((answer.header("cache-control"), answer.header("x-accel-buffering")), (Some("no-store"), Some("no")));
        let PageBody::Stream(stream) = answer.0.body else { panic!("a stream") };
        let mut events = Self(stream);
        assert_eq!(events.next().await.as_deref(), Some("retry: 500\n\n"));
        events
    }

    async fn next(&mut self) -> Option<String> {
        self.0.next().await.map(|part| String::from_utf8(part.to_vec()).unwrap())
    }

    /// Returns the id, the name and the data of the next event, which has to be the next part.
    async fn event(&mut self) -> (String, String, Value) {
        let part = self.next().await.unwrap();
        let lines: Vec<&str> = part.strip_suffix("\n\n").unwrap().split('\n').collect();
        let [id, event, data] = lines.as_slice() else { panic!("{part}") };
        let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        (id.strip_prefix("id:").unwrap().trim().to_owned(), event.strip_prefix("event: ").unwrap().to_owned(), data)
    }
}

#[tokio::test]
async fn a_change_is_sent_once_and_comments_fill_the_time_between() {
    let under = Under::with_tokens();
    let mut events = Events::open(&under, READER, "").await;
    let (first, name, overview) = events.event().await;
    assert_eq!(
        (name.as_str(), &overview["counts"]["dead"], &overview["caller"]["operates"]),
        ("overview", &"0".into(), &false.into())
    );
    under.clock.advance(SECOND);
    assert_eq!(events.next().await.as_deref(), Some(":\n\n"));
    under.dead(COMPLETE, "no user shop-20418").await;
    under.clock.advance(SECOND);
    let (second, _, overview) = events.event().await;
    assert_eq!((&overview["counts"]["dead"], first == second), (&"1".into(), false));
    assert!(!overview.to_string().contains("20418"), "{overview}");
    under.clock.advance(SECOND);
    assert_eq!(events.next().await.as_deref(), Some(":\n\n"));
}

/// Handled deliveries are not counted, but they are in the list.
#[tokio::test]
async fn a_delivery_that_changes_only_the_list_is_sent_too() {
    let under = Under::with_tokens();
    let mut events = Events::open(&under, TOKEN, "").await;
    let (first, ..) = events.event().await;
    under.settled(COMPLETE, Settled::Handled).await;
    under.clock.advance(SECOND);
    assert_ne!(events.event().await.0, first);
}

#[tokio::test]
async fn a_browser_that_comes_back_gets_only_what_has_changed_meanwhile() {
    let under = Under::with_tokens();
    let (known, ..) = Events::open(&under, TOKEN, "").await.event().await;
    assert_eq!(Events::open(&under, TOKEN, &known).await.next().await.as_deref(), Some(":\n\n"));
    assert_eq!(Events::open(&under, TOKEN, "another").await.event().await.0, known);
    under.dead(COMPLETE, "failed").await;
    under.clock.advance(SECOND);
    assert_eq!(Events::open(&under, TOKEN, &known).await.event().await.2["counts"]["dead"], "1");
}

#[tokio::test]
async fn a_stream_ends_after_four_seconds_also_if_the_inbox_does_not_answer() {
    let under = Under::with_tokens();
    let mut events = Events::open(&under, TOKEN, "").await;
    events.event().await;
    for _ in 0..3 {
        under.clock.advance(SECOND);
        assert_eq!(events.next().await.as_deref(), Some(":\n\n"));
    }
    under.clock.advance(SECOND);
    while let Some(part) = events.next().await {
        assert_eq!(part, ":\n\n");
    }

    let (under, inbox) = watched();
    inbox.hangs.store(true, Ordering::SeqCst);
    let mut events = Events::open(&under, TOKEN, "").await;
    let (ended, ()) = tokio::join!(events.next(), async {
        while inbox.reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        under.clock.advance(4 * SECOND);
    });
    assert_eq!(ended, None);
}

#[tokio::test]
async fn at_most_32_streams_are_open() {
    let under = Under::with_tokens();
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Events::open(&under, READER, "").await);
    }
    let full = under.get(READER, "/api/events").await;
    full.assert_problem(503);
    assert_eq!(full.header("retry-after"), Some("10"));
    assert_eq!(under.get(READER, "/api/overview").await.status(), 200);
    open.pop();
    Events::open(&under, READER, "").await;
}

#[tokio::test]
async fn a_stream_needs_access_and_no_other_site_opens_one() {
    let under = Under::with_tokens();
    under.send(request("GET", "/api/events", &[], "")).await.assert_problem(401);
    let bearer = format!("Bearer {TOKEN}");
    for site in ["cross-site", "same-site"] {
        let headers = [("authorization", bearer.as_str()), ("sec-fetch-site", site)];
        under.send(request("GET", "/api/events", &headers, "")).await.assert_problem(403);
    }
    under.post(TOKEN, "/api/events", "{}").await.assert_problem(405);
}

/// An inbox that counts how often its counts are read, and can be away, or hang.
#[derive(Debug, Default)]
struct Watched {
    inbox: MemoryInbox,
    reads: AtomicUsize,
    at_once: AtomicUsize,
    is_away: AtomicBool,
    hangs: AtomicBool,
}

#[derive(Clone, Debug)]
struct Shared(Arc<Watched>);

#[async_trait]
impl InboxDouble for Shared {
    fn inner(&self) -> &dyn Inbox {
        &self.0.inbox
    }

    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        if call == InboxCall::OpenCounts {
            assert_eq!(self.0.at_once.fetch_add(1, Ordering::SeqCst), 0, "two overviews at once");
            self.0.reads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            while self.0.hangs.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            self.0.at_once.fetch_sub(1, Ordering::SeqCst);
        }
        match self.0.is_away.load(Ordering::SeqCst) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "read")),
            false => Ok(()),
        }
    }
}

fn watched() -> (Under, Arc<Watched>) {
    let (inbox, clock) = (Arc::new(Watched::default()), ManualClock::at(NOW));
    let builder = Inspector::builder(Double(Shared(Arc::clone(&inbox)))).clock(Arc::new(clock.clone()));
    let inspector = builder.token(TOKEN).reader_token(READER).build().unwrap();
    (Under { inspector, inbox: Arc::default(), clock }, inbox)
}

#[tokio::test]
async fn clients_share_an_overview_for_a_second_and_an_action_makes_a_new_one() {
    let (under, inbox) = watched();
    let overviews = async || {
        let answers = join_all((0..20).map(|_| under.get(READER, "/api/overview"))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        inbox.reads.load(Ordering::SeqCst)
    };
    assert_eq!(overviews().await, 1);
    under.clock.advance(SECOND - Duration::from_millis(1));
    assert_eq!(overviews().await, 1);
    under.clock.advance(Duration::from_millis(1));
    assert_eq!(overviews().await, 2);
    under.post(TOKEN, "/api/deliveries/1/reopen", "{}").await.assert_problem(404);
    assert_eq!(overviews().await, 3, "an action may have changed something, also if it failed");
    under.clock.set(NOW);
    assert_eq!(overviews().await, 4, "a clock that was set back makes nothing last longer");
}

#[tokio::test]
async fn an_overview_that_took_long_is_shared_for_longer() {
    let (under, inbox) = watched();
    inbox.hangs.store(true, Ordering::SeqCst);
    let (answer, ()) = tokio::join!(under.get(TOKEN, "/api/overview"), async {
        while inbox.reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        under.clock.advance(SECOND / 2);
        inbox.hangs.store(false, Ordering::SeqCst);
    });
    assert_eq!(answer.status(), 200);
    for (later, reads) in [(4_999, 1), (1, 2)] {
        under.clock.advance(Duration::from_millis(later));
        under.get(TOKEN, "/api/overview").await;
        assert_eq!(inbox.reads.load(Ordering::SeqCst), reads);
    }
}

#[tokio::test]
async fn an_inbox_that_is_away_is_said_to_be_and_the_overview_is_sent_again_when_it_is_back() {
    let (under, inbox) = watched();
    let mut events = Events::open(&under, TOKEN, "").await;
    let (known, ..) = events.event().await;
    inbox.is_away.store(true, Ordering::SeqCst);
    under.clock.advance(SECOND);
    let (id, name, data) = events.event().await;
    assert_eq!((id.as_str(), name.as_str(), data["detail"].as_str()), ("", "away", Some("read: the store is unavailable")));
    inbox.is_away.store(false, Ordering::SeqCst);
    under.clock.advance(SECOND);
    assert_eq!(events.event().await.0, known);
}
