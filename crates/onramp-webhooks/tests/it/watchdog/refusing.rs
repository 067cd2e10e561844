//! Refusals that the provider gets, and strangers that get them.

use onramp_webhooks::watchdog::Verdict;

use super::stage::{HOUR, Stage};
use crate::faulty::Op;

const KRIPTOMAT: &str = "174.138.2.203";
const ELSEWHERE: &str = "203.0.113.9";

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_are_an_alarm_until_one_is_received() {
    let stage = Stage::new().await;
    stage.inbox.errors(Op::Record, 2);
    assert_eq!(stage.posts(3).await, [503, 503, 200]);
    stage.inbox.errors(Op::Record, 2);
    assert_eq!(stage.posts(2).await, [503, 503]);
    assert_eq!((stage.verdict(), stage.watch("wert").refused_in_a_row), (Verdict::Learning, 2));
    stage.inbox.errors(Op::Record, 1);
    stage.posts(1).await;
    let watch = stage.watch("wert");
    assert_eq!((watch.verdict, watch.refused_in_a_row, watch.refused_last_day), (Verdict::Refusing, 3, 5));
    assert_eq!((watch.answers.success, watch.answers.client_error, watch.answers.server_error), (1, 0, 5));
    let advice = watch.advice.unwrap();
    assert!(advice.contains("https://partner.wert.io") && advice.contains("8 h"), "{advice}");
    stage.advance(HOUR * 48).await;
    assert_eq!(stage.verdict(), Verdict::Refusing, "nothing has shown that it is over");
    assert_eq!(stage.watch("wert").refused_last_day, 0);
    stage.posts(1).await;
    assert_eq!((stage.verdict(), stage.watch("wert").refused_in_a_row), (Verdict::Learning, 0));
}

#[tokio::test(start_paused = true)]
async fn refusals_count_for_a_day() {
    let stage = Stage::new().await;
    for hour in 0..30 {
        stage.inbox.errors(Op::Record, 2);
        stage.posts(2).await;
        assert_eq!(stage.watch("wert").refused_last_day, 2 * (hour + 1).min(24));
        stage.advance(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_kriptomat_is_told_it_cannot_read_was_refused_and_received() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        let reply = stage.wert.send("POST", "/kriptomat", Some(KRIPTOMAT), &[], "{").await;
        assert_eq!(reply.status(), 400);
    }
    let watch = stage.watch("kriptomat");
    assert_eq!((watch.verdict, watch.answers.client_error), (Verdict::Refusing, 3));
    assert!(watch.last_received.is_some() && watch.advice.unwrap().contains("widget/init"));
    assert_eq!(stage.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
    assert_eq!(stage.watch("kriptomat").verdict, Verdict::Learning);
}

#[tokio::test(start_paused = true)]
async fn whoever_guesses_secrets_or_asks_with_get_alarms_nobody() {
    let stage = Stage::new().await;
    stage.passes(24 * 8 + 1, |_| 1).await;
    for _ in 0..100 {
        assert_eq!(stage.wert.send("POST", "/wert/guess", None, &[], "{}").await.status(), 404);
        assert_eq!(stage.wert.send("GET", "/wert/s3cret", None, &[], "").await.status(), 405);
        assert_eq!(stage.wert.send("POST", "/elsewhere", None, &[], "").await.status(), 404);
        assert_eq!(stage.kriptomat("POST", "/both/guess", ELSEWHERE).await, 404);
        assert_eq!(stage.kriptomat("GET", "/both/s3cret", ELSEWHERE).await, 403);
        assert_eq!(stage.kriptomat("GET", "/kriptomat", ELSEWHERE).await, 403);
        assert_eq!(stage.kriptomat("GET", "/kriptomat", KRIPTOMAT).await, 405);
        assert_eq!(stage.kriptomat("GET", "/both/guess", KRIPTOMAT).await, 404);
    }
    for name in ["wert", "kriptomat", "both"] {
        let watch = stage.watch(name);
        assert!(!watch.verdict.is_alarm() && watch.refused_in_a_row == 0 && watch.refused_last_day == 0, "{watch}");
    }
    assert_eq!((stage.watch("wert").wrong_secrets, stage.watch("wert").answers.client_error), (100, 200));
    assert_eq!(stage.watch("wert").advice, None);
    assert!(stage.watch("both").advice.unwrap().contains("100 requests came with a wrong secret"));
    stage.posts(1).await;
    assert_eq!(stage.watch("wert").wrong_secrets, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_the_secret_or_the_address_is_the_provider() {
    let stage = Stage::new().await;
    assert_eq!(stage.kriptomat("POST", "/both/s3cret", ELSEWHERE).await, 403);
    assert_eq!(stage.kriptomat("POST", "/both/old", KRIPTOMAT).await, 404);
    assert_eq!(stage.watch("both").verdict, Verdict::Learning);
    assert_eq!(stage.kriptomat("POST", "/both/s3cret", ELSEWHERE).await, 403);
    assert_eq!(stage.watch("both").verdict, Verdict::Refusing);
    assert_eq!(stage.kriptomat("POST", "/both/s3cret", KRIPTOMAT).await, 200);
    assert_eq!(stage.watch("both").verdict, Verdict::Learning);
}

#[tokio::test(start_paused = true)]
async fn an_unlisted_address_without_a_secret_is_the_provider_once_nobody_else_comes() {
    let stage = Stage::new().await;
    let unlisted = async || {
        for _ in 0..3 {
            assert_eq!(stage.kriptomat("POST", "/kriptomat", ELSEWHERE).await, 403);
        }
        stage.watch("kriptomat")
    };
    // Nothing was ever received: the usual beginning of a shop that sees its proxy's address.
    let watch = unlisted().await;
    assert_eq!((watch.verdict, watch.unlisted), (Verdict::Refusing, 3));
    assert!(watch.advice.unwrap().contains("addresses that are not on the list"));

    for _ in 0..9 * 24 {
        assert_eq!(stage.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
        stage.advance(HOUR).await;
    }
    // A stranger in between is none of it.
    assert_eq!(stage.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
    assert_eq!(unlisted().await.verdict, Verdict::Fine);
    stage.advance(HOUR + HOUR / 60).await;
    assert_eq!(stage.watch("kriptomat").verdict, Verdict::Refusing, "before the two hours of silence are over");
    assert_eq!(stage.kriptomat("POST", "/kriptomat", KRIPTOMAT).await, 200);
    let watch = stage.watch("kriptomat");
    assert_eq!((watch.verdict, watch.unlisted), (Verdict::Fine, 0));
}
