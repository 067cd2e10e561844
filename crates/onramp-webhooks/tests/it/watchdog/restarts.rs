//! Restarts, and several processes.

use onramp_webhooks::Provider;
use onramp_webhooks::watchdog::Verdict;

use super::harness::{HOUR, Harness};
use crate::faulty::InboxCall;

const DAY: u64 = 24;
const WEEK: u64 = 7 * DAY;

const NONE: [u64; 0] = [];

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_neither_the_rhythm_nor_the_alarm() {
    let harness = Harness::new().await;
    harness.passes(2 * WEEK, |hour| u32::from((8..=20).contains(&(hour % DAY)))).await;
    let restarted = harness.beside().await;
    let watch = restarted.watch("wert");
    assert_eq!((watch.verdict, watch.silent_after), (Verdict::Fine, Some(HOUR * 24)));
    assert_eq!(watch.last_received, harness.watch("wert").last_received);
    harness.advance(HOUR * 24).await;
    assert_eq!(harness.verdict(), Verdict::Silent);
    assert_eq!(harness.beside().await.verdict(), Verdict::Silent);
    harness.advance(HOUR * 24 * 60).await;
    assert_eq!(harness.beside().await.verdict(), Verdict::Silent);
}

/// Thousands of events in four hours, a few in the others, and another provider's two a day in the middle of the many.
#[tokio::test(start_paused = true)]
async fn the_rhythms_of_a_busy_inbox_are_found() {
    let harness = Harness::new().await;
    while harness.hour() < 2 * WEEK {
        let hour = harness.hour() % DAY;
        harness.records(Provider::Kriptomat, u32::from([10, 12].contains(&hour))).await;
        for _ in 0..4 {
            harness.records(Provider::Wert, if (9..=12).contains(&hour) { 300 } else { 1 }).await;
            harness.clock.advance(HOUR / 4);
        }
    }
    let restarted = harness.beside().await;
    for (name, hours) in [("wert", 2), ("kriptomat", 44)] {
        let watch = restarted.watch(name);
        assert_eq!((watch.verdict, watch.silent_after), (Verdict::Fine, Some(HOUR * hours)), "{name}");
    }
    let looks = restarted.inbox.calls(InboxCall::List);
    assert!(looks < 2_000, "{looks} looks");
    restarted.advance(HOUR * 36).await;
    assert_eq!((restarted.verdict(), restarted.watch("kriptomat").verdict), (Verdict::Silent, Verdict::Silent));
}

#[tokio::test(start_paused = true)]
async fn an_inbox_that_is_away_at_the_start_is_asked_later() {
    let harness = Harness::new().await;
    harness.passes(WEEK + DAY + 1, |_| 1).await;
    harness.inbox.errors(InboxCall::List, usize::MAX);
    let restarted = harness.beside().await;
    restarted.advance(HOUR * 5).await;
    assert_eq!((harness.verdict(), restarted.verdict()), (Verdict::Fine, Verdict::Learning), "nobody can confirm the silence");
    assert_eq!(harness.kriptomat("POST", "/kriptomat", "203.0.113.9").await, 403);
    harness.inbox.recovers();
    harness.advance(HOUR / 60).await;
    assert_eq!((harness.verdict(), restarted.verdict()), (Verdict::Silent, Verdict::Silent));
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
async fn what_another_receiver_hears_is_no_silence() {
    let harness = Harness::new().await;
    let other = harness.beside().await;
    harness.passes(WEEK + DAY + 1, |_| 1).await;
    // From now on, all goes to the other one.
    assert_eq!(other.passes(2 * DAY, |_| 1).await, NONE);
    assert_eq!(harness.verdict(), Verdict::Fine);
    assert_eq!(harness.passes(4, |_| 0).await.len(), 3);
    assert_eq!(other.verdict(), Verdict::Silent);
    assert_eq!(harness.watch("wert").silent_after, Some(HOUR * 2));
    // The one that hears nothing learns that it is over.
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
