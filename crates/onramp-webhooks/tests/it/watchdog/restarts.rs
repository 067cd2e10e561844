//! Restarts, and several processes.

use std::time::Duration;

use onramp_webhooks::clock::Clock;
use onramp_webhooks::watchdog::Verdict;

use super::harness::{HOUR, Harness, MINUTE, SILENT_AFTER};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_neither_the_last_delivery_nor_the_alarm() {
    let harness = Harness::new().await;
    harness.passes(2, 1).await;
    let restarted = harness.beside().await;
    let watch = restarted.watch("wert");
    assert_eq!((watch.verdict, watch.silent_for), (Verdict::Fine, Some(HOUR)));
    assert_eq!(watch.last_received, harness.watch("wert").last_received);
    harness.advance(SILENT_AFTER).await;
    assert_eq!((harness.verdict(), restarted.verdict()), (Verdict::Silent, Verdict::Silent));
    assert_eq!(harness.beside().await.verdict(), Verdict::Silent);
    harness.advance(HOUR * 24 * 60).await;
    assert_eq!(harness.beside().await.verdict(), Verdict::Silent);
}

/// A store that answers late shifts no time: a new process would know another.
#[tokio::test(start_paused = true)]
async fn the_last_delivery_was_received_when_the_inbox_says() {
    let harness = Harness::new().await;
    let received = harness.clock.now();
    harness.inbox.is_late(InboxCall::Record, MINUTE / 60);
    let (answers, ()) = tokio::join!(harness.posts(1), harness.advance(MINUTE));
    assert_eq!((answers, harness.watch("wert").last_received), (vec![200], Some(received)));
    assert_eq!(harness.beside().await.watch("wert").last_received, Some(received));
}

/// The only delivery of one endpoint lies behind thousands of another.
#[tokio::test(start_paused = true)]
async fn the_last_deliveries_of_a_busy_inbox_are_found() {
    let harness = Harness::new().await;
    harness.records("kriptomat", 1).await;
    harness.advance(HOUR).await;
    harness.records("wert", 5_000).await;
    let looks = harness.inbox.calls(InboxCall::List);
    let restarted = harness.beside().await;
    assert_eq!(restarted.inbox.calls(InboxCall::List) - looks, 6, "two for each endpoint");
    assert_eq!(restarted.watch("wert").silent_for, Some(Duration::ZERO));
    assert_eq!(restarted.watch("kriptomat").silent_for, Some(HOUR));
    assert_eq!(restarted.watch("both").silent_for, None);
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_is_away_at_the_start_is_asked_later() {
    let harness = Harness::new().await;
    harness.posts(1).await;
    harness.inbox.errors(InboxCall::List, usize::MAX);
    let restarted = harness.beside().await;
    restarted.advance(HOUR * 5).await;
    assert_eq!((harness.verdict(), restarted.verdict()), (Verdict::Fine, Verdict::Fine), "nothing can confirm the silence");
    assert_eq!(restarted.watch("wert").last_received, None);
    for _ in 0..3 {
        assert_eq!(restarted.kriptomat("POST", "/kriptomat", "203.0.113.9").await, 403);
    }
    assert_eq!(restarted.watch("kriptomat").verdict, Verdict::Fine, "the provider may have been here before the restart");
    harness.inbox.recovers();
    harness.advance(MINUTE).await;
    assert_eq!((harness.verdict(), restarted.verdict()), (Verdict::Silent, Verdict::Silent));
    assert_eq!(restarted.watch("kriptomat").verdict, Verdict::Refusing);
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_does_not_answer_holds_up_neither_requests_nor_other_alarms() {
    let harness = Harness::new().await;
    harness.inbox.hangs(InboxCall::List);
    let restarted = harness.beside().await;
    restarted.inbox.errors(InboxCall::Record, 3);
    assert_eq!(restarted.posts(4).await, [503, 503, 503, 200]);
    tokio::time::sleep(HOUR).await;
    harness.inbox.recovers();
    harness.advance(HOUR).await;
    assert_eq!(restarted.watch("wert").refused_last_day, 3);
    for _ in 0..3 {
        assert_eq!(restarted.kriptomat("POST", "/kriptomat", "203.0.113.9").await, 403);
    }
    assert_eq!(restarted.watch("kriptomat").verdict, Verdict::Refusing, "it was asked again");
}

#[tokio::test(start_paused = true)]
async fn deliveries_to_another_receiver_are_no_silence() {
    let harness = Harness::new().await;
    let other = harness.beside().await;
    harness.posts(1).await;
    // From now on, everything goes to the other one.
    for _ in 0..48 {
        assert_eq!(other.passes(1, 1).await, 0);
        assert_eq!(harness.verdict(), Verdict::Fine);
    }
    assert_eq!(harness.passes(4, 0).await, 3);
    assert_eq!(other.verdict(), Verdict::Silent);
    // The one that receives nothing finds out that it is over.
    other.posts(1).await;
    assert_eq!(harness.verdict(), Verdict::Silent);
    harness.advance(HOUR / 6).await;
    assert_eq!(harness.verdict(), Verdict::Fine);
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_ends_with_its_receiver() {
    let harness = Harness::new().await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let second = harness.beside().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), alive + 1);
    drop(second);
    crate::worker::harness::rest().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), alive);
}
