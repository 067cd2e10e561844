//! Purchases that an operator releases.

use onramp_webhooks::purchases::PurchaseStatus;

use super::Store;
use super::tools::{at, purchase};

pub(super) async fn what_was_started_can_be_released_and_stays_started(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    store.released("a", 2).await;
    assert_eq!(store.known("a").await, PurchaseStatus { started: Some(purchase("a", 1)), released_at: Some(at(2)) });
}

pub(super) async fn what_was_never_started_can_be_released(store: &Store) {
    let store = store.open().await;
    store.released("a", 2).await;
    assert_eq!(store.known("a").await, PurchaseStatus { started: None, released_at: Some(at(2)) });
}

pub(super) async fn what_was_released_can_be_started(store: &Store) {
    let store = store.open().await;
    store.released("a", 1).await;
    store.started(&purchase("a", 2)).await;
    assert_eq!(store.known("a").await, PurchaseStatus { started: Some(purchase("a", 2)), released_at: Some(at(1)) });
}

pub(super) async fn the_first_release_stays(store: &Store) {
    let store = store.open().await;
    store.released("a", 1).await;
    store.released("a", 2).await;
    assert_eq!(store.known("a").await.released_at, Some(at(1)));
}

pub(super) async fn a_release_is_for_one_uuid_in_any_case(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("b", 1)).await;
    store.released("A", 2).await;
    assert_eq!(store.known("a").await.released_at, Some(at(2)));
    assert_eq!(store.known("b").await.released_at, None);
}

pub(super) async fn a_uuid_of_any_length_can_be_released(store: &Store) {
    let store = store.open().await;
    let long =
        |end| format!("{}{end}", (0..100_000).map(|number| char::from(b'a' + (number * 7 % 26) as u8)).collect::<String>());
    store.released(&long('x'), 1).await;
    assert_eq!(store.known(&long('x')).await.released_at, Some(at(1)));
    assert_eq!(store.known(&long('y')).await.released_at, None);
}
