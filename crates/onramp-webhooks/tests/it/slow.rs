//! Bodies that come slowly, in pieces, or not at all.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use onramp_webhooks::adapter::{Reply, Request};
use onramp_webhooks::inbox::{MemoryInbox, State};
use tokio::time::{Instant, Sleep};

use crate::faulty::{Faulty, InboxCall};
use crate::tools::{Door, doors, header, is_received, says};

/// A body that comes in pieces with a pause before each, and then breaks off, ends, or is silent.
struct Pieces {
    pieces: Vec<Bytes>,
    pause: Duration,
    end: End,
    waiting: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum End {
    Whole,
    Broken,
    Silent,
}

impl Pieces {
    fn of(body: &Bytes, size: usize, pause: Duration, end: End) -> Self {
        let pieces = body.chunks(size).rev().map(Bytes::copy_from_slice).collect();
        Self { pieces, pause, end, waiting: None }
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pause = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        std::task::ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        match (self.pieces.pop(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Broken) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            (None, End::Silent) => Poll::Pending,
        }
    }
}

async fn stream(door: &Door, body: Pieces) -> Reply {
    door.receiver.receive(&Request::new("POST", &door.path, None, &[]), body).await
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_is_one_body() {
    for door in doors() {
        let body = door.purchase();
        is_received(&stream(&door, Pieces::of(&body, 1, Duration::ZERO, End::Whole)).await);
        assert_eq!(door.only().await.body, Some(body));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_slower_than_the_deadline_is_given_up() {
    for door in doors() {
        for end in [End::Whole, End::Silent] {
            let begun = Instant::now();
            let reply = stream(&door, Pieces::of(&door.purchase(), 1, Duration::from_millis(100), end)).await;
            says(&reply, 408);
            assert_eq!(header(&reply, "connection"), Some("close"));
            assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&begun.elapsed()));
        }
        assert!(door.kept().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_was_not_received() {
    for door in doors() {
        says(&stream(&door, Pieces::of(&door.purchase(), 7, Duration::ZERO, End::Broken)).await, 408);
        assert!(door.kept().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_leaves_the_inbox_only_the_rest_of_the_deadline() {
    for provider in ["wert", "kriptomat"] {
        let inbox = Faulty::default();
        inbox.hangs(InboxCall::Record);
        let door = Door::new(provider, inbox, |builder| builder);
        let begun = Instant::now();
        let body = Pieces::of(&door.purchase(), 100_000, Duration::from_millis(1_500), End::Whole);
        says(&stream(&door, body).await, 503);
        assert_eq!(begun.elapsed().as_secs(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_that_makes_it_is_received() {
    for door in doors() {
        let body = door.purchase();
        is_received(&stream(&door, Pieces::of(&body, body.len() / 3, Duration::from_millis(500), End::Whole)).await);
        assert_eq!(door.only().await.state, State::Pending);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_over_the_limit_is_read_before_the_answer() {
    for provider in ["wert", "kriptomat"] {
        let door = Door::new(provider, MemoryInbox::new(), |builder| builder.body_limit(100));
        let body = Bytes::from(vec![b'x'; 1_000]);
        let reply = stream(&door, Pieces::of(&body, 30, Duration::ZERO, End::Whole)).await;
        says(&reply, door.expected(200, 413));
        assert_eq!(door.only().await.body.unwrap(), body.slice(..100));
    }
}
