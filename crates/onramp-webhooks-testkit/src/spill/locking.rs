//! The lock of the moving process.

use super::Store;
use crate::tools::at_once;

pub(super) async fn one_moves_at_a_time(store: &Store) {
    let spill = store.open().await;
    for _ in 0..3 {
        let lock = spill.lock().await.unwrap();
        assert!(lock.is_some(), "no other process holds the lock");
        assert!(spill.lock().await.unwrap().is_none());
        spill.add_some().await;
        assert!(spill.lock().await.unwrap().is_none());
        drop(lock);
    }
    assert_eq!(spill.ids().await.len(), 9, "appending needs no lock");
}

pub(super) async fn of_many_at_once_one_moves(store: &Store) {
    let spill = store.open().await;
    let lock = |_| {
        let spill = spill.clone();
        async move { spill.lock().await.unwrap() }
    };
    let held = at_once((0..50).map(lock)).await;
    assert_eq!(held.iter().flatten().count(), 1);
}
