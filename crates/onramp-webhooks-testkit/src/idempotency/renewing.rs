//! Renewing of leases.

use super::Store;
use super::tools::{claim, done, running, usual};

pub(super) async fn a_renewed_lease_lasts(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.begin(0, holder).await;
    for second in [60, 90, 120] {
        assert!(store.renew_until(holder, second).await);
        assert_eq!(store.find(second - 1, holder).await, running(usual()));
    }
    store.begin(120, claim("A", 2)).await;
}

pub(super) async fn a_lease_that_ended_is_renewed_while_nobody_took_it(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.begin_and_let_end(holder).await;
    assert!(store.renew_until(holder, 1_000).await);
    assert_eq!(store.find(999, holder).await, running(usual()));
}

pub(super) async fn what_is_done_is_not_renewed(store: &Store) {
    let store = store.open().await;
    let holder = claim("A", 1);
    store.done_until(holder, "created", 100).await;
    assert!(!store.renew_until(holder, 50).await);
    assert_eq!(store.find(99, holder).await, done(usual(), "created"), "kept no shorter");
    assert!(!store.renew_until(holder, 1_000).await);
    store.begin(100, claim("A", 2)).await;
}
