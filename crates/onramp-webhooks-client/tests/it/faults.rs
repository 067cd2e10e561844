//! Faulty answers become typed errors, with a kind and whether a retry makes sense.

use std::time::Duration;

use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_client::{ClientError, ClientErrorKind, KriptomatApi, WertDataApi};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::tools::{errors, kriptomat, nobody, once, wert};

/// Returns the error of both APIs for an answer, which must be the same.
async fn both(answer: Answer) -> ClientError {
    let provider = FakeProvider::start().await;
    provider.answer_always(answer);
    let [of_wert, of_kriptomat] = errors(&wert(&provider).build().unwrap(), &kriptomat(&provider).build().unwrap()).await;
    assert_eq!(of_wert.kind(), of_kriptomat.kind());
    assert_eq!(provider.requests().len(), 2);
    of_wert
}

#[tokio::test]
async fn a_status_is_a_kind() {
    for (status, kind, transient) in [
        (400, ClientErrorKind::Refused, false),
        (401, ClientErrorKind::Unauthorized, false),
        (403, ClientErrorKind::Forbidden, false),
        (404, ClientErrorKind::NotFound, false),
        (408, ClientErrorKind::TimedOut, true),
        (422, ClientErrorKind::Refused, false),
        (429, ClientErrorKind::RateLimited, true),
        (500, ClientErrorKind::ProviderFailed, true),
        (503, ClientErrorKind::ProviderFailed, true),
        (304, ClientErrorKind::Redirected, false),
    ] {
        let error = both(Answer::status(status)).await;
        assert_eq!((error.kind(), error.is_transient(), error.is_unsent()), (kind, transient, false), "{status}");
        assert_eq!((error.status(), error.retry_after()), (Some(status), None));
        assert!(error.to_string().contains(&format!("(status {status})")), "{error}");
    }
}

#[tokio::test]
async fn the_beginning_of_an_answer_is_there_for_developers_only() {
    let error = both(Answer::body(422, "text/plain", format!("amount too small{}", "!".repeat(1 << 20)))).await;
    assert!(error.response_excerpt().unwrap().starts_with("amount too small!"));
    assert_eq!(error.response_excerpt().unwrap().len(), 1_024);
    assert!(!format!("{error} {error:?}").contains("too small"));
}

#[tokio::test]
async fn retry_after_is_told() {
    let error = both(Answer::status(429).header("retry-after", "120")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert!(error.to_string().ends_with("; try again after 120 s"), "{error}");
}

#[tokio::test]
async fn other_json_does_not_fit() {
    for body in ["[]", "7", r#""no""#, r#"{"status":"true","success":true,"data":7}"#, r#"{"data":1,"data":2}"#] {
        let error = both(Answer::body(200, "application/json", body)).await;
        assert_eq!((error.kind(), error.is_transient()), (ClientErrorKind::Unreadable, false), "{body}");
    }
}

#[tokio::test]
async fn what_is_no_whole_json_may_come_whole_another_time() {
    for (answer, kind) in [
        (Answer::html(), ClientErrorKind::NotJson),
        (Answer::truncated_json(), ClientErrorKind::NotJson),
        (Answer::body(200, "application/json", ""), ClientErrorKind::NotJson),
        (Answer::cut_off(), ClientErrorKind::Interrupted),
        (Answer::close(), ClientErrorKind::Interrupted),
    ] {
        let error = both(answer).await;
        assert_eq!((error.kind(), error.is_transient(), error.is_unsent()), (kind, true, false));
    }
}

#[tokio::test]
async fn an_endless_body_is_too_large() {
    let error = both(Answer::endless()).await;
    assert_eq!((error.kind(), error.is_transient()), (ClientErrorKind::TooLarge, false));
    assert!(error.to_string().ends_with("more than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit() {
    let provider = FakeProvider::start().await;
    let body = r#"{"success":true,"data":[]}"#;
    provider.answer_always(Answer::body(200, "application/json", body));
    let limited = |bytes| wert(&provider).max_response_size(bytes).build().unwrap();
    limited(body.len()).orders(&OrdersQuery::new()).await.unwrap();
    let error = limited(body.len() - 1).orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::TooLarge);
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_nothing_was_sent() {
    let (_socket, url) = nobody();
    let wert = WertDataApi::at(&url, "key").retry(once()).build().unwrap();
    let kriptomat = KriptomatApi::at(&url, "token").retry(once()).build().unwrap();
    for error in errors(&wert, &kriptomat).await {
        assert_eq!((error.kind(), error.is_transient(), error.is_unsent()), (ClientErrorKind::Unreachable, true, true));
        assert!(std::error::Error::source(&error).is_some());
    }
}
