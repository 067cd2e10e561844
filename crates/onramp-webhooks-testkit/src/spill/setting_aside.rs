//! What the first inbox does not take.

use super::Store;
use super::tools::{event, told};

pub(super) async fn what_is_set_aside_waits_no_more(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    spill.put_aside(b, "too large").await;
    assert_eq!(spill.ids().await, [a, c]);
    spill.holds(2, 1, Some(c)).await;
    spill.put_aside(c, "too large").await;
    spill.holds(1, 2, Some(a)).await;
}

pub(super) async fn what_is_set_aside_is_listed_with_its_first_reason(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    for (id, reason) in [(c, "too large"), (a, "a rule of the application: \0'é"), (a, "another one")] {
        spill.put_aside(id, reason).await;
    }
    let aside = spill.aside(10).await.unwrap();
    let seen: Vec<_> = aside.iter().map(|aside| (aside.id, &*aside.reason, told(&aside.delivery))).collect();
    assert_eq!(seen, [(a, "a rule of the application: \0'é", told(&event("A"))), (c, "too large", told(&event("C")))]);
    assert_eq!(spill.aside(1).await.unwrap()[0].id, a);
    assert_eq!(spill.ids().await, [b]);
}

pub(super) async fn what_is_put_back_waits_at_its_old_place(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    spill.put_aside(a, "no").await;
    spill.put_aside(b, "no").await;
    assert_eq!(spill.put_back().await.unwrap(), 2);
    assert_eq!(spill.ids().await, [a, b, c]);
    spill.holds(3, 0, Some(c)).await;
    assert_eq!(spill.put_back().await.unwrap(), 0);
}

pub(super) async fn what_is_set_aside_can_be_removed(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    spill.put_aside(a, "no").await;
    spill.forget(&[a, b]).await;
    spill.holds(1, 0, Some(c)).await;
    assert!(spill.aside(10).await.unwrap().is_empty());
}

pub(super) async fn what_is_gone_is_not_set_aside(store: &Store) {
    let spill = store.open().await;
    let [a, ..] = spill.add_some().await;
    spill.forget(&[a]).await;
    spill.put_aside(a, "no").await;
    assert!(spill.aside(10).await.unwrap().is_empty());
    assert_eq!(spill.put_back().await.unwrap(), 0);
}
