//! Silence longer than usual.

use std::time::Duration;

use onramp_webhooks::watchdog::Verdict;

use super::harness::{HOUR, Harness};
use crate::faulty::InboxCall;

const DAY: u64 = 24;
const WEEK: u64 = 7 * DAY;

const NONE: [u64; 0] = [];

/// Histories, and the hours of silence after which each raises an alarm.
type Rhythm = (&'static str, fn(u64) -> u32, Option<u64>);

const RHYTHMS: [Rhythm; 7] = [
    ("steady", |_| 1, Some(2)),
    ("bursts", |hour| if hour % DAY == 12 { 30 } else { 0 }, Some(48)),
    ("nights", |hour| u32::from((8..=20).contains(&(hour % DAY))), Some(24)),
    ("three a day", |hour| u32::from([9, 13, 22].contains(&(hour % DAY))), Some(22)),
    ("office hours", |hour| u32::from(hour % WEEK < 5 * DAY && (9..=17).contains(&(hour % DAY))), Some(128)),
    ("once a week", |hour| 20 * u32::from(hour % WEEK == 3), None),
    ("one purchase", |hour| 6 * u32::from(hour == 3), None),
];

#[tokio::test(start_paused = true)]
async fn no_rhythm_is_an_alarm_and_its_end_is_one() {
    for (name, rhythm, silent_after) in RHYTHMS {
        let harness = Harness::new().await;
        let alarms = harness.passes(3 * WEEK, rhythm).await;
        assert_eq!(alarms, NONE, "{name}");
        let watch = harness.watch("wert");
        assert_eq!(watch.silent_after, silent_after.map(|hours| HOUR * u32::try_from(hours).unwrap()), "{name}");
        let last = harness.hour() - watch.silent_for.unwrap().as_secs() / 3_600;
        let alarms = harness.passes(2 * WEEK, |_| 0).await;
        // Exactly so long is not longer.
        assert_eq!(alarms.first().copied(), silent_after.map(|hours| last + hours + 1), "{name}");
        let lasts = silent_after.is_some();
        assert!(alarms.windows(2).all(|pair| pair[1] == pair[0] + 1) && harness.verdict().is_alarm() == lasts, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_learns_for_eight_days_and_then_says_what_it_missed() {
    let harness = Harness::new().await;
    assert_eq!(harness.verdict(), Verdict::Learning);
    let alarms = harness.passes(3 * DAY, |_| 1).await;
    assert_eq!((alarms, harness.verdict()), (vec![], Verdict::Learning));
    let alarms = harness.passes(6 * DAY, |_| 0).await;
    assert_eq!(alarms.first(), Some(&(WEEK + DAY)));

    let harness = Harness::new().await;
    assert_eq!(harness.passes(WEEK + DAY + 1, |_| 1).await, NONE);
    assert_eq!(harness.verdict(), Verdict::Fine);
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_usual_for_two_weeks() {
    let harness = Harness::new().await;
    assert_eq!(harness.passes(2 * WEEK, |_| 1).await, NONE);
    let closed = 10;
    assert_eq!(harness.passes(closed, |_| 0).await.len(), 9, "an alarm, as nobody can know better");
    harness.passes(1, |_| 1).await;
    assert_eq!(harness.watch("wert").silent_after, Some(HOUR * 22));
    harness.passes(2 * WEEK, |_| 1).await;
    assert_eq!(harness.watch("wert").silent_after, Some(HOUR * 2));
}

#[tokio::test(start_paused = true)]
async fn two_weeks_later_an_old_rhythm_is_forgotten() {
    let harness = Harness::new().await;
    harness.passes(WEEK, |hour| u32::from(hour % DAY == 12)).await;
    harness.passes(5 * DAY, |_| 0).await;
    harness.passes(2 * WEEK, |hour| u32::from(hour % DAY == 13)).await;
    assert_eq!(harness.watch("wert").silent_after, Some(HOUR * 48));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_ends_the_alarm_at_once() {
    let harness = Harness::new().await;
    harness.passes(WEEK + DAY + 1, |_| 1).await;
    harness.passes(5, |_| 0).await;
    let watch = harness.watch("wert");
    assert_eq!(watch.verdict, Verdict::Silent);
    let advice = watch.advice.unwrap();
    assert!(advice.contains("6 h 00 min") && advice.contains("2 h 00 min"), "{advice}");
    assert!(advice.contains("https://partner.wert.io") && advice.contains("https://partner-sandbox.wert.io"), "{advice}");
    assert_eq!(harness.watch("kriptomat").verdict, Verdict::Learning);
    harness.posts(1).await;
    let watch = harness.watch("wert");
    assert_eq!((watch.verdict, watch.silent_for, watch.advice), (Verdict::Fine, Some(Duration::ZERO), None));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_recorded_is_no_sign_of_life() {
    let harness = Harness::new().await;
    harness.passes(WEEK + DAY + 1, |_| 1).await;
    harness.inbox.errors(InboxCall::Record, 1);
    let alarms = harness.passes(3, |_| 0).await;
    assert_eq!(alarms.len(), 2);
    harness.posts(1).await;
    assert_eq!(harness.verdict(), Verdict::Silent);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forward_and_back_does_no_lasting_harm() {
    let harness = Harness::new().await;
    harness.passes(WEEK + DAY + 1, |_| 1).await;
    let now = onramp_webhooks::clock::Clock::now(&harness.clock);
    harness.advance(HOUR * 24 * 365).await;
    harness.posts(1).await;
    harness.clock.set(now);
    harness.advance(Duration::from_secs(61)).await;
    assert_eq!(harness.watch("wert").silent_for, Some(Duration::ZERO));
    harness.posts(1).await;
    assert_eq!(harness.verdict(), Verdict::Fine);
}
