//! The lock of the moving process.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::Store;

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
    let barrier = Arc::new(Barrier::new(50));
    let lock = |_| {
        let (spill, barrier) = (spill.clone(), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            spill.lock().await.unwrap()
        })
    };
    let tasks: Vec<_> = (0..50).map(lock).collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await.unwrap());
    }
    assert_eq!(held.len(), 1);
}
