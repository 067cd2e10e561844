//! Confirmation of single purchases.

use onramp_webhooks::provider::ProviderEvent;
use onramp_webhooks::{CompletedPurchase, WertEvent};
use onramp_webhooks_client::wert::{Difference, Verdict};
use onramp_webhooks_client::{ClientErrorKind, WertDataApi};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::{Answer, FakeProvider, Lie};

use super::tools::{nobody, once, wert};

fn purchase(order: &WertOrder) -> CompletedPurchase {
    WertEvent::read(&order.complete()).unwrap().completed_purchase().unwrap().unwrap()
}

#[tokio::test]
async fn every_verdict_is_at_the_place_of_its_purchase() {
    let provider = FakeProvider::start().await;
    let orders: Vec<_> = (0..45).map(|number| WertOrder::new().click_id(format!("customer-{number}"))).collect();
    for (number, order) in orders.iter().enumerate() {
        match number % 4 {
            0 => provider.add_order(order, "success"),
            1 => provider.add_order(order, "failed"),
            2 => provider.add_order(&order.clone().fiat("2.50", "USD"), "success"),
            _ => {}
        }
    }
    let purchases: Vec<_> = orders.iter().map(purchase).collect();
    let verdicts = wert(&provider).build().unwrap().confirm(&purchases).await;
    assert_eq!(verdicts.len(), 45);
    for (number, verdict) in verdicts.iter().enumerate() {
        match (number % 4, verdict) {
            (0, Verdict::Confirmed(_)) | (3, Verdict::Unknown) => {}
            (1, Verdict::Contradicted(differences)) => assert!(matches!(differences[..], [Difference::Status(_)])),
            (2, Verdict::Contradicted(differences)) => assert!(matches!(differences[..], [Difference::Fiat { .. }])),
            _ => panic!("{number}: {verdict}"),
        }
    }
    assert_eq!(provider.requests().len(), 3);
}

#[tokio::test]
async fn a_forged_event_about_a_true_order_is_contradicted() {
    let provider = FakeProvider::start().await;
    let order = WertOrder::new().click_id("victim");
    provider.add_order(&order, "success");
    let verdicts = wert(&provider).build().unwrap().confirm(&[purchase(&order.click_id("thief"))]).await;
    assert!(matches!(&verdicts[..], [Verdict::Contradicted(differences)] if differences[..] == [Difference::Customer]));
}

#[tokio::test]
async fn without_an_order_id_exactly_one_order_of_the_click_has_to_be_like_it() {
    let provider = FakeProvider::start().await;
    let order = |fiat| WertOrder::new().click_id("customer-7").fiat(fiat, "USD");
    let asked = purchase(&order("250.00").without("id"));
    let wert = wert(&provider).build().unwrap();
    let mut verdicts = Vec::new();
    for fiat in ["1.00", "2.00", "250.00", "250.00"] {
        verdicts.extend(wert.confirm(std::slice::from_ref(&asked)).await);
        provider.add_order(&order(fiat), "success");
    }
    verdicts.extend(wert.confirm(&[asked]).await);
    let told: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
    let unknown = "unknown to the provider";
    let contradicted = "contradicted: paid 250.00 USD in the event, 1.0 usd at the provider";
    assert_eq!(told, [unknown, contradicted, unknown, "confirmed", unknown]);
}

#[tokio::test]
async fn while_the_provider_is_away_it_is_asked_once() {
    let purchases: Vec<_> = (0..45).map(|_| purchase(&WertOrder::new())).collect();
    // A failure may be about one of the orders, so another request asks about none of them.
    for (fault, kind, changes, requests) in [
        (Answer::status(503), ClientErrorKind::ProviderFailed, true, 2),
        (Answer::status(503).header("retry-after", "9"), ClientErrorKind::ProviderFailed, true, 1),
        (Answer::status(401), ClientErrorKind::Unauthorized, false, 1),
    ] {
        let provider = FakeProvider::start().await;
        provider.answer_always(fault);
        let verdicts = wert(&provider).build().unwrap().confirm(&purchases).await;
        for verdict in &verdicts {
            assert!(matches!(verdict, Verdict::ProviderUnavailable(error) if error.kind() == kind), "{verdict}");
            assert_eq!(verdict.may_change(), changes);
        }
        assert_eq!((verdicts.len(), provider.requests().len()), (45, requests));
    }
    let (_socket, url) = nobody();
    let verdicts = WertDataApi::at(url, "key").retry(once()).build().unwrap().confirm(&purchases).await;
    assert!(verdicts.iter().all(Verdict::may_change));
}

#[tokio::test]
async fn an_id_that_makes_the_api_fail_hides_no_other() {
    for (fault, kind, expected_controls) in [
        (Answer::status(500), ClientErrorKind::ProviderFailed, 1),
        (Answer::status(502), ClientErrorKind::ProviderFailed, 1),
        (Answer::status(400), ClientErrorKind::Refused, 1),
        (Answer::lie(Lie::AnotherOrder), ClientErrorKind::Contradiction, 0),
    ] {
        for at in 0..20 {
            let provider = FakeProvider::start().await;
            let orders: Vec<_> = (0..25).map(|_| WertOrder::new()).collect();
            orders.iter().for_each(|order| provider.add_order(order, "success"));
            provider.answer_about(orders[at].id().unwrap(), fault.clone());
            let purchases: Vec<_> = orders.iter().map(purchase).collect();
            let verdicts = wert(&provider).build().unwrap().confirm(&purchases).await;
            for (number, verdict) in verdicts.iter().enumerate() {
                match verdict {
                    Verdict::OrderUnavailable(error) if number == at => assert_eq!(error.kind(), kind),
                    verdict => assert!(number != at && verdict.is_confirmed(), "{number}: {verdict}"),
                }
            }
            let (asked, controls) = asked(&provider);
            assert!(asked <= 2 + 10 && controls == expected_controls, "{asked} and {controls} requests");
        }
    }
}

/// The numbers of requests about orders, and about none.
fn asked(provider: &FakeProvider) -> (usize, usize) {
    let requests = provider.requests();
    let controls = requests.iter().filter(|seen| seen.parameter("search_by").is_none()).count();
    (requests.len() - controls, controls)
}

#[tokio::test]
async fn a_lie_about_every_order_is_not_pursued_for_ever() {
    let provider = FakeProvider::start().await;
    provider.answer_always(Answer::lie(Lie::AnotherOrder));
    let purchases: Vec<_> = (0..20).map(|_| purchase(&WertOrder::new())).collect();
    let verdicts = wert(&provider).build().unwrap().confirm(&purchases).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::OrderUnavailable(_)) && verdict.may_change()));
    assert_eq!(asked(&provider), (11, 0));
}

#[tokio::test]
async fn an_id_that_is_not_wert_s_is_not_asked_about_and_harms_no_other() {
    let provider = FakeProvider::start().await;
    let order = WertOrder::new();
    provider.add_order(&order, "success");
    let longest = WertOrder::new().with("id", "x".repeat(64));
    let forged = ["a,b", "a b", "", &"x".repeat(65)].map(|id| WertOrder::new().with("id", id));
    let purchases: Vec<_> = forged.iter().chain([&longest, &order]).map(purchase).collect();
    let verdicts = wert(&provider).build().unwrap().confirm(&purchases).await;
    let told: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
    let invalid = "the order id does not have the form of the provider's ids";
    assert_eq!(told[..2], [invalid, invalid]);
    assert_eq!(told[3..], [invalid, "unknown to the provider", "confirmed"]);
    assert!(!verdicts[0].may_change());
    let asked = provider.requests();
    assert!(asked.iter().all(|seen| !seen.parameter("search_by").unwrap().contains("a b")));
}

#[tokio::test]
async fn nothing_is_asked_about_nothing() {
    let provider = FakeProvider::start().await;
    assert!(wert(&provider).build().unwrap().confirm(&[]).await.is_empty());
    assert_eq!(provider.requests(), []);
}
