//! Pruning of old purchases.

use super::Store;
use super::tools::purchase;

pub(super) async fn old_purchases_and_releases_go(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    store.released("b", 1).await;
    assert_eq!(store.pruned(2).await, 2);
    assert_eq!((store.known("a").await.started, store.known("b").await.released_at), (None, None));
}

pub(super) async fn what_is_young_stays(store: &Store) {
    let store = store.open().await;
    store.started(&purchase("a", 1)).await;
    store.started(&purchase("b", 2)).await;
    store.released("a", 2).await;
    assert_eq!(store.pruned(2).await, 1);
    assert!(store.known("a").await.started.is_none());
    assert!(store.known("a").await.released_at.is_some());
    assert!(store.known("b").await.started.is_some());
}

pub(super) async fn many_go_in_rounds(store: &Store) {
    const CALLERS: u64 = 8;
    const EACH: u64 = 150;
    let store = store.open().await;
    let mut starting = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        starting.spawn(async move {
            for number in 0..EACH {
                store.started(&purchase(&format!("{caller}-{number}"), 1)).await;
            }
        });
    }
    starting.join_all().await;
    assert_eq!(store.pruned(2).await, CALLERS * EACH);
}
