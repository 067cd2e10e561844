//! Refusals of the provider and of strangers.

use onramp_webhooks::Kriptomat;
use onramp_webhooks::watchdog::Verdict;

use super::harness::{HOUR, Harness, MINUTE};
use crate::faulty::InboxCall;

const KRIPTOMAT: &str = "174.138.2.203";
const ELSEWHERE: &str = "203.0.113.9";

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_are_an_alarm_until_one_is_received() {
    let harness = Harness::new().await;
    harness.inbox.errors(InboxCall::Record, 2);
    assert_eq!(harness.posts(3).await, [503, 503, 200]);
    harness.inbox.errors(InboxCall::Record, 2);
    assert_eq!(harness.posts(2).await, [503, 503]);
    assert_eq!((harness.verdict(), harness.watch("wert").refused_in_a_row), (Verdict::Fine, 2));
    harness.inbox.errors(InboxCall::Record, 1);
    harness.posts(1).await;
    let watch = harness.watch("wert");
    assert_eq!((watch.verdict, watch.refused_in_a_row, watch.refused_last_day), (Verdict::Refusing, 3, 5));
    assert_eq!((watch.answers.success, watch.answers.client_error, watch.answers.server_error), (1, 0, 5));
    let advice = watch.advice.unwrap();
    assert!(advice.contains("https://partner.wert.io") && advice.contains("8 h"), "{advice}");
    harness.advance(HOUR * 48).await;
    assert_eq!(harness.verdict(), Verdict::Refusing, "nothing has ended it");
    assert_eq!(harness.watch("wert").refused_last_day, 0);
    harness.posts(1).await;
    assert_eq!((harness.verdict(), harness.watch("wert").refused_in_a_row), (Verdict::Fine, 0));
}

#[tokio::test(start_paused = true)]
async fn refusals_count_for_a_day() {
    let harness = Harness::new().await;
    for hour in 0..30 {
        harness.inbox.errors(InboxCall::Record, 2);
        harness.posts(2).await;
        assert_eq!(harness.watch("wert").refused_last_day, 2 * (hour + 1).min(24));
        harness.advance(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_body_of_kriptomat_counts_as_refused_and_as_received() {
    let harness = Harness::new().await;
    for _ in 0..3 {
        let reply = harness.wert.send("POST", "/kriptomat", Some(KRIPTOMAT), &[], "{").await;
        assert_eq!(reply.status(), 400);
    }
    let watch = harness.watch("kriptomat");
    assert_eq!((watch.verdict, watch.answers.client_error), (Verdict::Refusing, 3));
    assert!(watch.last_received.is_some() && watch.advice.unwrap().contains("widget/init"));
    assert_eq!(harness.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
    assert_eq!(harness.watch("kriptomat").verdict, Verdict::Fine);
}

#[tokio::test(start_paused = true)]
async fn wrong_secrets_and_other_methods_raise_no_alarm() {
    let harness = Harness::new().await;
    harness.posts(1).await;
    for _ in 0..100 {
        assert_eq!(harness.wert.send("POST", "/wert/guess", None, &[], "{}").await.status(), 404);
        assert_eq!(harness.wert.send("GET", "/wert/s3cret-for-examples", None, &[], "").await.status(), 405);
        assert_eq!(harness.wert.send("POST", "/elsewhere", None, &[], "").await.status(), 404);
        assert_eq!(harness.kriptomat("POST", "/both/guess", ELSEWHERE).await, 404);
        assert_eq!(harness.kriptomat("GET", "/both/s3cret-for-examples", ELSEWHERE).await, 403);
        assert_eq!(harness.kriptomat("GET", "/kriptomat", ELSEWHERE).await, 403);
        assert_eq!(harness.kriptomat("GET", "/kriptomat", KRIPTOMAT).await, 405);
        assert_eq!(harness.kriptomat("GET", "/both/guess", KRIPTOMAT).await, 404);
    }
    for name in ["wert", "kriptomat", "both"] {
        let watch = harness.watch(name);
        assert!(!watch.verdict.is_alarm() && watch.refused_in_a_row == 0 && watch.refused_last_day == 0, "{watch}");
    }
    assert_eq!((harness.watch("wert").wrong_secrets, harness.watch("wert").answers.client_error), (100, 200));
    assert_eq!(harness.watch("wert").advice, None);
    assert!(harness.watch("both").advice.unwrap().contains("100 requests came with a wrong secret"));
    harness.posts(1).await;
    assert_eq!(harness.watch("wert").wrong_secrets, 0);
}

#[tokio::test(start_paused = true)]
async fn requests_with_the_secret_or_from_a_listed_address_are_the_providers() {
    let harness = Harness::new().await;
    assert_eq!(harness.kriptomat("POST", "/both/s3cret-for-examples", ELSEWHERE).await, 403);
    assert_eq!(harness.kriptomat("POST", "/both/old", KRIPTOMAT).await, 404);
    assert_eq!(harness.watch("both").verdict, Verdict::Fine);
    assert_eq!(harness.kriptomat("POST", "/both/s3cret-for-examples", ELSEWHERE).await, 403);
    assert_eq!(harness.watch("both").verdict, Verdict::Refusing);
    assert_eq!(harness.kriptomat("POST", "/both/s3cret-for-examples", KRIPTOMAT).await, 200);
    assert_eq!(harness.watch("both").verdict, Verdict::Fine);
}

/// Sends three postbacks from an address that is not on the list, and returns the verdict.
async fn unlisted(harness: &Harness) -> Verdict {
    for _ in 0..3 {
        assert_eq!(harness.kriptomat("POST", "/kriptomat", ELSEWHERE).await, 403);
    }
    harness.watch("kriptomat").verdict
}

/// The usual beginning of a shop that sees the address of its proxy.
#[tokio::test(start_paused = true)]
async fn an_unlisted_address_without_a_secret_is_the_provider_while_nothing_was_received() {
    let harness = Harness::new().await;
    assert_eq!(unlisted(&harness).await, Verdict::Refusing);
    let watch = harness.watch("kriptomat");
    assert_eq!(watch.unlisted, 3);
    assert!(watch.advice.unwrap().contains("addresses that are not on the allow-list"));
}

#[tokio::test(start_paused = true)]
async fn an_unlisted_address_without_a_secret_is_the_provider_once_nobody_else_comes() {
    for (endpoint, quiet) in [(Kriptomat::production(), HOUR * 24), (Kriptomat::production().silent_after(HOUR * 3), HOUR * 3)] {
        let harness = Harness::with(endpoint).await;
        assert_eq!(harness.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
        assert_eq!(unlisted(&harness).await, Verdict::Fine, "a stranger, as the provider was just here");
        harness.advance(quiet).await;
        assert_eq!(harness.watch("kriptomat").verdict, Verdict::Fine, "{quiet:?} is not longer than {quiet:?}");
        harness.advance(MINUTE).await;
        assert_eq!(harness.watch("kriptomat").verdict, Verdict::Refusing, "after {quiet:?}");
        assert_eq!(harness.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
        let watch = harness.watch("kriptomat");
        assert_eq!((watch.verdict, watch.unlisted), (Verdict::Fine, 0));
    }
}
