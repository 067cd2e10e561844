//! Removing of moved deliveries.

use onramp_webhooks::spill::SpillId;

use super::Store;
use super::tools::event;

pub(super) async fn what_was_removed_is_gone(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    spill.forget(&[a, c]).await;
    assert_eq!(spill.ids().await, [b]);
    spill.holds(1, Some(b)).await;
    spill.forget(&[b]).await;
    spill.holds(0, None).await;
}

pub(super) async fn what_is_not_there_is_passed_over(store: &Store) {
    let spill = store.open().await;
    let [a, b, c] = spill.add_some().await;
    spill.forget(&[]).await;
    spill.forget(&[SpillId::from_i64(i64::MAX), b, b, SpillId::from_i64(-1)]).await;
    spill.forget(&[b]).await;
    assert_eq!(spill.ids().await, [a, c]);
}

pub(super) async fn an_id_is_never_used_again(store: &Store) {
    let spill = store.open().await;
    let mut last = SpillId::from_i64(i64::MIN);
    for _ in 0..3 {
        let id = spill.add(event("A")).await;
        assert!(id > last, "{id} after {last}");
        last = id;
        spill.forget(&[id]).await;
    }
}
