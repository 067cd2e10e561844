//! Retries: which requests, how often, and after which pauses.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks_client::kriptomat::WidgetRequest;
use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_client::{ClientErrorKind, KriptomatApi, WertDataApi};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::tools::{JumpingClock, NOW, errors, kriptomat, nobody, thrice, wert};

const HOURS: Duration = Duration::from_secs(9 * 3_600);

#[tokio::test]
async fn a_question_is_asked_again_until_it_is_answered() {
    for fault in [Answer::status(500), Answer::status(429), Answer::close(), Answer::cut_off(), Answer::html()] {
        let provider = FakeProvider::start().await;
        provider.answer_next(fault.clone());
        provider.answer_next(fault);
        wert(&provider).retry(thrice()).build().unwrap().orders(&OrdersQuery::new()).await.unwrap();
        assert_eq!(provider.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_question_is_not_asked_for_ever() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::status(503));
    let error = wert(&provider).retry(thrice()).build().unwrap().orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!((error.kind(), provider.requests().len()), (ClientErrorKind::ProviderFailed, 3));
}

#[tokio::test]
async fn what_will_not_change_is_asked_once() {
    for fault in [Answer::status(401), Answer::status(403), Answer::status(404), Answer::status(400), Answer::endless()] {
        let provider = FakeProvider::start().await;
        provider.answer_always(fault);
        wert(&provider).retry(thrice()).build().unwrap().orders(&OrdersQuery::new()).await.unwrap_err();
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_widget_is_started_once() {
    for fault in [Answer::status(500), Answer::status(429), Answer::close(), Answer::cut_off(), Answer::html()] {
        let provider = FakeProvider::start().await;
        provider.answer_always(fault);
        let error = kriptomat(&provider).retry(thrice()).build().unwrap().init(&WidgetRequest::new()).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unsent());
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_widget_is_started_once_over_a_connection_that_was_used_before() {
    let provider = FakeProvider::start().await;
    let kriptomat = kriptomat(&provider).retry(thrice()).build().unwrap();
    kriptomat.init(&WidgetRequest::new()).await.unwrap();
    provider.answer_always(Answer::close());
    kriptomat.init(&WidgetRequest::new()).await.unwrap_err();
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test]
async fn both_are_tried_again_while_nobody_is_there() {
    let (_socket, url) = nobody();
    let clock = JumpingClock::at(NOW);
    let wert = WertDataApi::at(&url, "key").retry(thrice()).clock(Arc::new(clock.clone())).build().unwrap();
    let kriptomat = KriptomatApi::at(&url, "token").retry(thrice()).clock(Arc::new(clock.clone())).build().unwrap();
    errors(&wert, &kriptomat).await;
    assert_eq!(clock.pauses().len(), 4);
}

/// The pauses after a `retry-after`, at a client whose clock says `now`.
async fn pauses(answer: Answer, now: Timestamp) -> Vec<u64> {
    let provider = FakeProvider::start().await;
    provider.answer_next(answer);
    let clock = JumpingClock::at(now);
    wert(&provider).retry(thrice()).clock(Arc::new(clock.clone())).build().unwrap().orders(&OrdersQuery::new()).await.unwrap();
    clock.pauses()
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date() {
    for status in [429, 503] {
        assert_eq!(pauses(Answer::status(status).header("retry-after", "7"), NOW).await, [7]);
        let date = Answer::status(status).header("retry-after", "Wed, 21 Oct 2026 07:28:12 GMT");
        assert_eq!(pauses(date.clone().header("date", "Wed, 21 Oct 2026 07:28:00 GMT"), NOW).await, [12]);
        assert_eq!(pauses(date.header("date", "today"), NOW).await, [12]);
    }
}

#[tokio::test]
async fn a_clock_that_is_hours_off_changes_no_pause() {
    let date = Answer::status(429).header("retry-after", "Wed, 21 Oct 2026 07:28:12 GMT");
    let date = date.header("date", "Wed, 21 Oct 2026 07:28:00 GMT");
    assert_eq!(pauses(date.clone(), NOW.before(HOURS)).await, [12]);
    assert_eq!(pauses(date, NOW.after(HOURS)).await, [12]);
}

#[tokio::test]
async fn without_a_date_a_clock_that_is_hours_off_ends_in_an_error_and_not_in_a_wait() {
    let provider = FakeProvider::start().await;
    let answer = Answer::status(429).header("retry-after", "Wed, 21 Oct 2026 07:28:12 GMT").header("date", "today");
    provider.answer_always(answer);
    let clock = JumpingClock::at(NOW.before(HOURS));
    let wert = wert(&provider).retry(thrice()).clock(Arc::new(clock.clone())).build().unwrap();
    let error = wert.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ClientErrorKind::RateLimited, Some(HOURS + Duration::from_secs(12))));
    assert_eq!(clock.pauses(), [0; 0]);
}
