//! `Debug` output shows no key, customer or answer. `cargo xtask tidy debug` finds the types whose output could, by their names here.

use std::fmt::Debug;

use onramp_webhooks_client::kriptomat::{Widget, WidgetRequest};
use onramp_webhooks_client::wert::OrdersQuery;
use onramp_webhooks_client::{ApiBuilder, ClientError, KriptomatApi, WertDataApi};
use onramp_webhooks_testkit::provider::{Answer, FakeProvider};

/// A text that stands for everything that must not be shown.
const HIDDEN: &str = "hidden-7c1f9e";

#[track_caller]
fn shows_nothing<T: Debug>(value: &T) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!shown.contains(HIDDEN), "{}: {shown}", std::any::type_name::<T>());
    }
}

#[tokio::test]
async fn clients_show_neither_keys_nor_answers() {
    let provider = FakeProvider::start().await;
    shows_nothing::<ApiBuilder<WertDataApi>>(&WertDataApi::at(provider.url(), HIDDEN));
    shows_nothing::<ApiBuilder<KriptomatApi>>(&KriptomatApi::at(provider.url(), HIDDEN));
    let wert = WertDataApi::at(provider.url(), HIDDEN).build().unwrap();
    shows_nothing(&wert);
    let kriptomat = KriptomatApi::at(provider.url(), HIDDEN).build().unwrap();
    shows_nothing(&kriptomat);
    provider.answer_always(Answer::body(400, "text/plain", HIDDEN));
    shows_nothing::<ClientError>(&wert.orders(&OrdersQuery::new()).await.unwrap_err());
    let widget = format!(r#"{{"status":"true","data":{{"url":"https://widget.example/?a={HIDDEN}"}}}}"#);
    provider.answer_always(Answer::body(200, "application/json", widget));
    let widget: Widget = kriptomat.init(&WidgetRequest::new()).await.unwrap();
    assert!(widget.url.contains(HIDDEN));
    shows_nothing(&widget);
}

#[test]
fn requests_show_no_customer() {
    let request = WidgetRequest::new().to_address(HIDDEN).webhook_url(HIDDEN).additional_field("customer", HIDDEN);
    shows_nothing(&request);
    shows_nothing(&OrdersQuery::new().search(HIDDEN));
}
