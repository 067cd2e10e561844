//! Starting purchases.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::purchases::{Purchase, PurchaseStatus};

use super::Store;
use super::tools::{at, at_once, purchase};

pub(super) async fn what_was_started_comes_back_to_the_letter(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    store.started(&Purchase::new("b", at(2)).asset_type("btc")).await;
    let known = store.known("a").await;
    assert_eq!(known, PurchaseStatus { started: Some(purchase("a", 1)), released_at: None });
    let amount = known.started.unwrap().crypto_amount.unwrap();
    assert_eq!(amount.as_str(), "1234567890.123456789012345678");
}

pub(super) async fn what_was_left_to_the_customer_stays_so(store: &Store) {
    let store = store.open().await;
    let left = Purchase::new("a", at(1));
    store.started(&left).await;
    assert_eq!(store.known("a").await.started, Some(left));
}

pub(super) async fn what_was_never_started_is_not_known(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    for uuid in ["", "b", "aa", " a"] {
        assert_eq!(store.known(uuid).await, PurchaseStatus::default(), "{uuid:?}");
    }
}

pub(super) async fn a_uuid_is_the_same_in_any_case(store: &Store) {
    let store = store.open().await;
    let mut shouted = purchase("a-b", 1);
    shouted.id = "A-B".into();
    store.started(&shouted).await;
    for uuid in ["a-b", "A-b", "A-B"] {
        let started = store.known(uuid).await.started;
        assert!(started.is_some_and(|started| started.asset_type == shouted.asset_type), "{uuid}");
    }
    let error = store.start(Purchase::new("a-b", at(2))).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
}

pub(super) async fn the_same_once_more_changes_nothing(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    store.started(&purchase("a", 2)).await;
    assert_eq!(store.known("a").await.started, Some(purchase("a", 1)));
}

pub(super) async fn something_else_under_the_same_uuid_is_refused_and_changes_nothing(store: &Store) {
    let store = store.open().await;
    let first = purchase("a", 1);
    store.started(&first).await;
    let others = [
        first.clone().asset_type("btc"),
        first.clone().network("ethereum"),
        first.clone().to_address("0x1"),
        first.clone().fiat_amount("35.01".parse().unwrap()),
        first.clone().fiat_currency("EUR"),
        first.clone().crypto_amount("1".parse().unwrap()),
        first.clone().additional_field("0", "customer-8"),
        Purchase::new("a", at(1)),
    ];
    for other in others {
        let error = store.start(other).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
        assert_eq!(store.known("a").await.started, Some(first.clone()));
    }
}

pub(super) async fn any_text_is_kept(store: &Store) {
    let store = store.open().await;
    for text in ["'; DROP TABLE x; --", "\0a\u{1}b", "\u{1}0", "ß🦀", "", &"x".repeat(20_000)] {
        let odd = Purchase::new(format!("uuid {text}"), at(1)).asset_type(text).network(text).to_address(text);
        let odd = odd.fiat_currency(text).additional_field(text, text);
        store.started(&odd).await;
        assert_eq!(store.known(odd.id.as_str()).await.started, Some(odd), "{text:?}");
    }
}

pub(super) async fn of_many_at_once_one_counts(store: &Store) {
    let store = store.open().await;
    for round in 0..10 {
        let uuid = format!("{round}");
        let start = |number| {
            let (store, mine) = (store.clone(), purchase(&uuid, 1).network(format!("{number}")));
            async move { store.start(mine.clone()).await.is_ok().then_some(mine) }
        };
        let started: Vec<_> = at_once((0..12).map(start)).await.into_iter().flatten().collect();
        assert_eq!(started.len(), 1, "of many different purchases with one id, one is stored");
        assert_eq!(store.known(&uuid).await.started.as_ref(), started.first());
    }
}
