//! Starting a widget.

use onramp_webhooks_client::ClientErrorKind;
use onramp_webhooks_client::kriptomat::WidgetRequest;
use onramp_webhooks_testkit::provider::FakeProvider;
use serde_json::json;

use super::tools::kriptomat;

#[tokio::test]
async fn a_widget_is_started_with_what_was_asked_for() {
    let provider = FakeProvider::start().await;
    let request = WidgetRequest::new()
        .asset_type("ETH")
        .to_address("0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96")
        .fiat_amount("35".parse().unwrap())
        .webhook_url("https://shop.example/webhooks/kriptomat/SECRET")
        .additional_field(0, "customer-7")
        .additional_field("order", "A-17");
    let widget = kriptomat(&provider).build().unwrap().init(&request).await.unwrap();
    assert!(widget.url.contains("amount=35") && widget.url.contains("asset_type=eth"), "{}", widget.url);
    assert!(widget.url.ends_with(widget.uuid.unwrap().as_str()));

    let [seen] = <[_; 1]>::try_from(provider.requests()).unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/widget/init"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        seen.json(),
        json!({
            "token": FakeProvider::TOKEN,
            "asset_type": "eth",
            "to_address": "0x7873ce9E57c6aEEA16aD6AE759CE955736f14e96",
            "amount": 35,
            "amount_type": "fiat",
            "webhook_url": "https://shop.example/webhooks/kriptomat/SECRET",
            "additional_fields[0]": "customer-7",
            "additional_fields[order]": "A-17",
        })
    );
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_not_sent() {
    let provider = FakeProvider::start().await;
    let request = WidgetRequest::new().to_address("0x1");
    let error = kriptomat(&provider).build().unwrap().init(&request).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unsent(), error.is_transient()), (ClientErrorKind::Invalid, true, false));
    assert_eq!(
        error.to_string(),
        "starting Kriptomat's widget: the request is not valid: to_address requires asset_type or network"
    );
    assert_eq!(provider.requests(), []);
}
