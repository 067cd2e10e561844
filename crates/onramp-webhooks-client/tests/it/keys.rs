//! Keys and tokens: sent to the configured origin only, and never printed.

use onramp_webhooks_client::kriptomat::WidgetRequest;
use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_client::{ClientErrorKind, KriptomatApi, WertDataApi};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

use super::tools::{errors, kriptomat, thrice, wert};

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (provider, elsewhere) = (FakeProvider::start().await, FakeProvider::start().await);
    let wert = wert(&provider).retry(thrice()).build().unwrap();
    let kriptomat = kriptomat(&provider).retry(thrice()).build().unwrap();
    for to in [format!("{}/api/external/orders", elsewhere.url()), "/api/external/orders?limit=1".to_owned()] {
        for status in [301, 302, 303, 307, 308] {
            provider.answer_always(Answer::status(status).header("location", &to));
            for error in errors(&wert, &kriptomat).await {
                assert_eq!((error.kind(), error.is_transient()), (ClientErrorKind::Redirected, false));
            }
        }
    }
    assert_eq!(provider.requests().len(), 20);
    assert_eq!(elsewhere.requests(), []);
}

#[tokio::test]
async fn the_key_is_where_it_belongs_and_nowhere_else() {
    let provider = FakeProvider::start().await;
    wert(&provider).build().unwrap().orders(&OrdersQuery::new()).await.unwrap();
    kriptomat(&provider).build().unwrap().init(&WidgetRequest::new()).await.unwrap();
    let [orders, init] = <[_; 2]>::try_from(provider.requests()).unwrap();
    assert_eq!(orders.header("x-api-key"), Some(FakeProvider::API_KEY));
    let others = |(name, value): &(String, String)| name != "x-api-key" && value.contains(FakeProvider::API_KEY);
    assert!(!orders.headers.iter().any(others) && !orders.query.iter().any(others) && orders.body.is_empty());
    assert_eq!(init.json()["token"], FakeProvider::TOKEN);
    assert!(init.query.is_empty() && !init.headers.iter().any(|(_, value)| value.contains(FakeProvider::TOKEN)));
}

#[tokio::test]
async fn nothing_is_sent_to_who_does_not_speak_tls() {
    let provider = FakeProvider::start().await;
    let url = provider.url().replace("http://", "https://");
    let wert = WertDataApi::at(url, FakeProvider::API_KEY).retry(thrice()).build().unwrap();
    let error = wert.orders(&OrdersQuery::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unsent()), (ClientErrorKind::Unreachable, true));
    assert_eq!(provider.requests(), []);
}

#[tokio::test]
async fn neither_debug_nor_an_error_shows_a_key() {
    let provider = FakeProvider::start().await;
    let shows = |text: &str| text.contains(FakeProvider::API_KEY) || text.contains(FakeProvider::TOKEN);
    let echo = format!("what is {} and {}?", FakeProvider::API_KEY, FakeProvider::TOKEN);
    let builders = format!("{:?} {:?}", wert(&provider), kriptomat(&provider));
    assert!(!shows(&builders), "{builders}");
    let (wert, kriptomat) = (wert(&provider).build().unwrap(), kriptomat(&provider).build().unwrap());
    let clients = format!("{wert:?} {kriptomat:?}");
    assert!(!shows(&clients), "{clients}");
    for answer in [Answer::body(400, "text/plain", echo.clone()), Answer::body(200, "text/plain", echo), Answer::close()] {
        provider.answer_always(answer);
        for error in errors(&wert, &kriptomat).await {
            let mut text = format!("{error} {error:?}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text} {cause} {cause:?}");
                source = cause.source();
            }
            assert!(!shows(&text) && !text.contains("what is") && !text.contains("/api/external"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_key_is_kept_without_it() {
    let provider = FakeProvider::start().await;
    for status in [200, 400] {
        provider.answer_always(Answer::body(status, "text/plain", format!("what is {}?", FakeProvider::API_KEY)));
        let error = wert(&provider).build().unwrap().orders(&OrdersQuery::new()).await.unwrap_err();
        assert_eq!(error.response_excerpt(), Some("what is (hidden)?"));
    }
}

#[test]
fn a_client_is_not_built_from_what_would_give_the_key_away() {
    for base in ["http://partner.wert.io", "https://me:hidden@partner.wert.io", "ftp://127.0.0.1", "hidden"] {
        let error = WertDataApi::at(base, "key").build().unwrap_err();
        assert_eq!((error.kind(), error.is_unsent()), (ClientErrorKind::Invalid, true));
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
        KriptomatApi::at(base, "token").build().unwrap_err();
    }
    for key in ["", " ", "two\nlines"] {
        assert_eq!(WertDataApi::at("http://127.0.0.1", key).build().unwrap_err().kind(), ClientErrorKind::Invalid, "{key:?}");
    }
    KriptomatApi::at("http://127.0.0.1", "").build().unwrap_err();
}

#[test]
fn the_real_providers_can_be_asked() {
    for builder in [WertDataApi::production("k"), WertDataApi::sandbox("k")] {
        let shown = format!("{:?}", builder.build().unwrap());
        assert!(shown.contains("https://partner") && shown.contains("wert.io"), "{shown}");
    }
    assert!(format!("{:?}", KriptomatApi::production("t").build().unwrap()).contains("https://api.kriptomat.io"));
}
