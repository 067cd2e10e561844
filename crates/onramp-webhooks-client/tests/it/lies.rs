//! Answers that are well-formed and wrong.

use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_testkit::provider::{Answer, Lie};

use super::tools::{provider_with, thrice, wert};

#[tokio::test]
async fn an_order_that_nobody_asked_for_is_a_contradiction() {
    let (provider, ids) = provider_with(3).await;
    provider.answer_always(Answer::lie(Lie::AnotherOrder));
    let wert = wert(&provider).retry(thrice()).build().unwrap();
    for id in [ids[0].as_str(), "01GMAPHCFE06G3Y8FG2KW9BAM0"] {
        let error = wert.find_order(&id.into()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ClientErrorKind::Contradiction, false), "{id}");
        let error = wert.find_by_click(&id.into()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Contradiction);
    }
    assert_eq!(provider.requests().len(), 4);
    // A request for all orders accepts it: the lie cannot be detected.
    assert_eq!(wert.orders(&OrdersQuery::new()).await.unwrap().rows.len(), 4);
}

#[tokio::test]
async fn the_same_order_twice_is_a_contradiction() {
    let (provider, ids) = provider_with(3).await;
    provider.answer_always(Answer::lie(Lie::OrderTwice));
    let wert = wert(&provider).build().unwrap();
    let error = wert.find_order(&ids[1].as_str().into()).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::Contradiction);
    assert!(error.to_string().contains(&ids[1]), "{error}");
    assert_eq!(wert.orders(&OrdersQuery::new()).await.unwrap_err().kind(), ClientErrorKind::Contradiction);
}

#[tokio::test]
async fn an_order_that_is_not_known_is_not_there() {
    let (provider, _) = provider_with(3).await;
    let found = wert(&provider).build().unwrap().find_order(&"01GMAPHCFE06G3Y8FG2KW9BAM0".into()).await.unwrap();
    assert_eq!(found, None);
}
