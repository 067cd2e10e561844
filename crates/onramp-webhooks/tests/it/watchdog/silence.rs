//! Silence: longer than an endpoint's `silent_after`.

use std::time::Duration;

use onramp_webhooks::clock::Clock;
use onramp_webhooks::watchdog::Verdict;

use super::harness::{HOUR, Harness, MINUTE, SILENT_AFTER};
use crate::faulty::InboxCall;

const KRIPTOMAT: &str = "174.138.2.203";

#[tokio::test(start_paused = true)]
async fn only_a_silence_longer_than_silent_after_is_an_alarm() {
    let harness = Harness::new().await;
    assert_eq!(harness.watch("wert").silent_after, Some(SILENT_AFTER));
    for _ in 0..3 {
        harness.posts(1).await;
        harness.advance(SILENT_AFTER).await;
        assert_eq!(harness.verdict(), Verdict::Fine, "exactly that long is not longer");
    }
    harness.advance(MINUTE).await;
    assert_eq!(harness.verdict(), Verdict::Silent);
    harness.advance(HOUR * 24 * 60).await;
    assert_eq!(harness.verdict(), Verdict::Silent, "nothing has ended it");
}

#[tokio::test(start_paused = true)]
async fn without_silent_after_silence_is_no_alarm() {
    let harness = Harness::new().await;
    assert_eq!(harness.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
    harness.advance(HOUR * 24 * 365).await;
    let watch = harness.watch("kriptomat");
    assert_eq!((watch.verdict, watch.silent_after, watch.advice), (Verdict::Fine, None, None));
    assert_eq!(watch.silent_for, Some(HOUR * 24 * 365));
}

/// An endpoint may be mounted long before the provider knows its address.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_has_received_nothing_is_not_silent() {
    let harness = Harness::new().await;
    assert_eq!(harness.passes(24 * 30, 0).await, 0);
    let watch = harness.watch("wert");
    assert_eq!((watch.verdict, watch.last_received, watch.silent_for), (Verdict::Fine, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_ends_the_alarm_at_once() {
    let harness = Harness::new().await;
    harness.passes(1, 1).await;
    harness.passes(5, 0).await;
    let watch = harness.watch("wert");
    assert_eq!(watch.verdict, Verdict::Silent);
    let advice = watch.advice.unwrap();
    assert!(advice.contains("6 h 00 min") && advice.contains("2 h 00 min"), "{advice}");
    assert!(advice.contains("https://partner.wert.io") && advice.contains("https://partner-sandbox.wert.io"), "{advice}");
    assert_eq!(harness.watch("kriptomat").verdict, Verdict::Fine);
    harness.posts(1).await;
    let watch = harness.watch("wert");
    assert_eq!((watch.verdict, watch.silent_for, watch.advice), (Verdict::Fine, Some(Duration::ZERO), None));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_recorded_is_no_sign_of_life() {
    let harness = Harness::new().await;
    harness.passes(1, 1).await;
    assert_eq!(harness.passes(3, 0).await, 2);
    harness.inbox.errors(InboxCall::Record, 1);
    assert_eq!(harness.posts(1).await, [503]);
    assert_eq!(harness.verdict(), Verdict::Silent);
    assert_eq!(harness.posts(1).await, [200]);
    assert_eq!(harness.verdict(), Verdict::Fine);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forward_and_back_does_no_lasting_harm() {
    let harness = Harness::new().await;
    harness.posts(1).await;
    let now = harness.clock.now();
    harness.advance(HOUR * 24 * 365).await;
    assert_eq!(harness.verdict(), Verdict::Silent);
    harness.posts(1).await;
    harness.clock.set(now);
    harness.advance(Duration::from_secs(61)).await;
    assert_eq!(harness.watch("wert").silent_for, Some(Duration::ZERO));
    assert_eq!(harness.beside().await.watch("wert").silent_for, None, "a time that lies ahead is not believed");
    harness.posts(1).await;
    assert_eq!(harness.verdict(), Verdict::Fine);
    assert_eq!(harness.watch("wert").last_received, Some(harness.clock.now()));
}
