//! Traffic: counted by receivers and workers, stored in the inbox, read by time.

use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, Timestamp};
use onramp_webhooks::traffic::{Report, Traffic, Window, processes, report};
use onramp_webhooks::watchdog::{Verdict, endpoints};

use crate::faulty::{Faulty, InboxCall};
use crate::watchdog::harness::{HOUR, Harness, MINUTE};
use crate::worker::harness::{self as working, Do, end};

async fn read(inbox: &Faulty, window: Window, now: Timestamp) -> Report {
    report(inbox, window, now).await.unwrap()
}

impl Harness {
    async fn traffic(&self, window: Window) -> Report {
        read(&self.inbox, window, self.clock.now()).await
    }

    async fn total(&self, window: Window) -> Traffic {
        self.traffic(window).await.total()
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_endpoint_outcome_and_minute() {
    let harness = Harness::new().await;
    harness.advance(MINUTE).await;
    harness.posts(3).await;
    harness.kriptomat("POST", "/kriptomat", "203.0.113.9").await;
    harness.kriptomat("POST", "/kriptomat", "203.0.113.9").await;
    harness.kriptomat("POST", "/kriptomat", "203.0.113.10").await;
    harness.kriptomat("POST", "/elsewhere", "203.0.113.11").await;
    harness.advance(MINUTE).await;
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    let report = harness.traffic(Window::Hour).await;
    let (wert, kriptomat) = (report.of("wert"), report.of("kriptomat"));
    assert_eq!((wert.received(), wert.refused(), wert.acknowledgements.count()), (4, 0, 4));
    assert_eq!((kriptomat.received(), kriptomat.refused(), kriptomat.acknowledgements.count()), (0, 3, 0));
    assert_eq!(kriptomat.outcomes.get("denied"), Some(&3));
    let from = kriptomat.summary().refused_from;
    assert_eq!((from.len(), &*from[0].address, from[0].requests), (2, "203.0.113.9", 2));
    assert_eq!(report.of("").outcomes.get("not_found"), Some(&1));
    let steps: Vec<u64> = report.steps().iter().map(Traffic::received).collect();
    assert_eq!((steps.len(), &steps[57..]), (60, [3, 1, 0].as_slice()), "{steps:?}");
    assert_eq!(report.at(57), harness.clock.now().before(2 * MINUTE));
}

#[tokio::test(start_paused = true)]
async fn minutes_are_kept_for_two_days_and_quarters_for_ninety() {
    let harness = Harness::new().await;
    harness.advance(HOUR).await;
    harness.posts(1).await;
    harness.kriptomat("POST", "/kriptomat", "203.0.113.9").await;
    harness.advance(MINUTE).await;
    assert_eq!(harness.total(Window::Hour).await.refused_from.len(), 1);
    for (window, counts) in [(Window::Hour, 1), (Window::Day, 1), (Window::Week, 1), (Window::Quarter, 1)] {
        assert_eq!(harness.total(window).await.received(), counts, "{window}");
    }
    harness.advance(2 * HOUR).await;
    for (window, counts) in [(Window::Hour, 0), (Window::Day, 1), (Window::Quarter, 1)] {
        assert_eq!(harness.total(window).await.received(), counts, "{window}");
    }
    let quarters = harness.total(Window::Quarter).await;
    assert_eq!((quarters.refused(), quarters.refused_from.len()), (1, 0), "addresses are kept with the minutes only");
    harness.advance(HOUR * 24 * 88).await;
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    assert_eq!((harness.total(Window::Week).await.received(), harness.total(Window::Quarter).await.received()), (1, 2));
    harness.advance(HOUR * 24 * 60).await;
    assert_eq!(harness.total(Window::Quarter).await.received(), 1);
}

#[tokio::test(start_paused = true)]
async fn addresses_end_although_nothing_comes_any_more() {
    let harness = Harness::new().await;
    harness.kriptomat("POST", "/kriptomat", "203.0.113.9").await;
    harness.advance(MINUTE).await;
    let mut texts = Vec::new();
    for hour in [0, 47, 49] {
        harness.clock.set(harness.started().after(HOUR * hour));
        harness.advance(2 * MINUTE).await;
        let mut text = String::new();
        for place in 0..48 {
            text += &harness.inbox.task_state(&format!("traffic/kriptomat/minutes/{place:02}")).await.unwrap().text;
        }
        texts.push(text.contains("203.0.113.9"));
    }
    assert_eq!(texts, [true, true, false]);
}

/// The ring has a place for each of 92 days: what lay in it before does not count again.
#[tokio::test(start_paused = true)]
async fn a_day_takes_the_place_of_an_old_one() {
    let harness = Harness::new().await;
    harness.posts(5).await;
    harness.advance(MINUTE).await;
    harness.advance(HOUR * 24 * 92).await;
    assert_eq!(harness.total(Window::Quarter).await.received(), 0);
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    let total = harness.total(Window::Quarter).await;
    assert_eq!((total.received(), harness.total(Window::Hour).await.received()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn processes_are_added_up() {
    let harness = Harness::new().await;
    let other = harness.beside().await;
    harness.posts(2).await;
    other.posts(3).await;
    harness.advance(MINUTE).await;
    assert_eq!(harness.total(Window::Hour).await.received(), 5);
    let running = processes(&harness.inbox).await.unwrap();
    assert_eq!(running.iter().filter(|process| process.is_running(harness.clock.now())).count(), 2);
    assert_eq!(endpoints(&running, harness.clock.now()).len(), 3);
    harness.clock.advance(Duration::from_secs(181));
    assert!(!running[0].is_running(harness.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_stored_later_in_its_minute() {
    let harness = Harness::new().await;
    harness.advance(MINUTE).await;
    harness.inbox.errors(InboxCall::SetTaskState, usize::MAX);
    harness.posts(2).await;
    harness.advance(MINUTE).await;
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    harness.advance(9 * MINUTE).await;
    harness.inbox.recovers();
    assert_eq!(harness.total(Window::Hour).await.received(), 0);
    harness.advance(MINUTE).await;
    let steps: Vec<u64> = harness.traffic(Window::Hour).await.steps().iter().map(Traffic::received).collect();
    assert_eq!((steps[47], steps[48], steps.iter().sum::<u64>()), (2, 1, 3), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_loses_nothing() {
    let harness = Harness::new().await;
    harness.advance(HOUR).await;
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    harness.clock.set(harness.clock.now().before(30 * MINUTE));
    harness.posts(1).await;
    harness.advance(31 * MINUTE).await;
    assert_eq!(harness.total(Window::Hour).await.received(), 2);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_and_a_shutdown_stores_them() {
    let harness = working::Harness::new();
    harness.post_logins(2).await;
    let mut worker = harness.worker(|worker| worker);
    worker.call().await.answer(Do::Handle);
    worker.call().await.answer(Do::Fail);
    worker.rests().await;
    harness.pass(5);
    end(worker.worker).await;
    let total = read(&harness.inbox, Window::Hour, harness.now()).await.total();
    assert_eq!((total.attempts.get("handled"), total.attempts.get("retry"), total.handlers.count()), (Some(&1), Some(&1), 2));
    assert_eq!(total.received(), 2);
}

#[tokio::test(start_paused = true)]
async fn running_receivers_agree_on_an_endpoint() {
    let harness = Harness::new().await;
    harness.posts(1).await;
    harness.advance(MINUTE).await;
    let other = harness.beside().await;
    harness.inbox.errors(InboxCall::Record, 3);
    assert_eq!(other.posts(3).await, [503, 503, 503]);
    harness.advance(MINUTE).await;
    let now = harness.clock.now();
    let statuses = endpoints(&processes(&harness.inbox).await.unwrap(), now);
    let wert = statuses.iter().find(|status| &*status.name == "wert").unwrap();
    assert_eq!((wert.verdict, wert.refused_in_a_row, wert.answers.success), (Verdict::Refusing, 3, 1));
    assert_eq!(wert.silent_for, Some(2 * MINUTE));
    assert!(endpoints(&processes(&harness.inbox).await.unwrap(), now.after(HOUR)).is_empty(), "nobody runs");
}

/// A machine whose clock was wrong for a while would otherwise count as a running receiver for ever and hide the silence of the others, and what
/// it stored would keep its place.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_far_ahead_leaves_nothing() {
    let harness = Harness::new().await;
    // In the rings, this time has the place of the first one.
    harness.clock.advance(920 * 24 * HOUR);
    let ahead = harness.beside().await;
    ahead.posts(1).await;
    ahead.kriptomat("POST", "/kriptomat", "203.0.113.9").await;
    ahead.advance(MINUTE).await;
    drop(ahead);
    harness.clock.set(harness.started());
    let stored = processes(&harness.inbox).await.unwrap();
    assert!(!stored.is_empty() && !stored.iter().any(|process| process.is_running(harness.clock.now())), "{stored:?}");
    let now = harness.beside().await;
    now.posts(1).await;
    now.advance(MINUTE).await;
    let total = now.total(Window::Hour).await;
    assert_eq!((total.received(), total.refused_from.len()), (1, 0), "{total:?}");
    assert_eq!(now.total(Window::Quarter).await.received(), 1);
    assert_eq!(processes(&harness.inbox).await.unwrap().len(), 1);
    for place in 0..48 {
        let state = harness.inbox.task_state(&format!("traffic/kriptomat/minutes/{place:02}")).await.unwrap();
        assert!(!state.text.contains("203.0.113.9"), "{}", state.text);
    }
}
