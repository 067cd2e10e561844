//! Deadlines of requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::tools::{JumpingClock, NOW, errors, kriptomat, thrice, wert};

const SHORT: Duration = Duration::from_millis(100);
/// Far less than any of the default limits.
const SOON: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_provider_that_says_nothing_is_left() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::never());
    let began = Instant::now();
    let wert = wert(&provider).attempt_timeout(SHORT).build().unwrap();
    let kriptomat = kriptomat(&provider).attempt_timeout(SHORT).build().unwrap();
    for error in errors(&wert, &kriptomat).await {
        assert_eq!((error.kind(), error.is_transient(), error.is_unsent()), (ClientErrorKind::TimedOut, true, false));
    }
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn a_slow_answer_in_time_is_an_answer() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::truth().after(SHORT));
    wert(&provider).build().unwrap().orders(&OrdersQuery::new()).await.unwrap();
}

#[tokio::test]
async fn a_body_without_an_end_is_left_in_time() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::endless());
    let wert = wert(&provider).max_response_size(usize::MAX).attempt_timeout(SHORT).build().unwrap();
    let error = wert.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut);
}

#[tokio::test]
async fn all_attempts_together_end_at_the_deadline() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::never());
    let policy = onramp_webhooks::worker::RetryPolicy::new(u32::MAX, Duration::ZERO, Duration::ZERO);
    let wert = wert(&provider).attempt_timeout(SHORT / 4).deadline(SHORT).retry(policy).build().unwrap();
    let began = Instant::now();
    let error = wert.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut);
    assert!(began.elapsed() < SOON);
    assert!((1..=8).contains(&provider.requests().len()), "{}", provider.requests().len());
}

#[tokio::test]
async fn a_pause_that_does_not_fit_is_not_begun() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::status(429).header("retry-after", "31"));
    let clock = JumpingClock::at(NOW);
    let wert = wert(&provider).retry(thrice()).clock(Arc::new(clock.clone())).build().unwrap();
    let error = wert.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(31)));
    assert_eq!((clock.pauses().len(), provider.requests().len()), (0, 1));
}

#[tokio::test]
async fn no_attempt_outlasts_the_deadline() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::never());
    let began = Instant::now();
    let error = wert(&provider).deadline(SHORT).build().unwrap().orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TimedOut);
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn a_clock_that_stands_still_does_not_hold_a_request() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::status(500).header("retry-after", "1"));
    let clock = Arc::new(onramp_webhooks::clock::ManualClock::at(NOW));
    let wert = wert(&provider).retry(thrice()).deadline(Duration::from_millis(1_200)).clock(clock).build().unwrap();
    let query = OrdersQuery::new();
    tokio::time::timeout(SOON, wert.orders(&query)).await.unwrap().unwrap_err();
}
