//! Those who wait for the end of a request hear of it.

use std::future::{Future, poll_fn};
use std::task::Poll;

use super::tools::{claim, soon};
use super::{Fixture, Store};

pub(super) async fn completing_wakes(store: &Store) {
    let store = store.open().await;
    // Twice, because a store may keep something for the first who waits.
    for key in ["A", "B"] {
        store.begin(0, claim(key, 1)).await;
        wakes(&store, 1, async { assert!(store.end(claim(key, 1), "created", 1_000).await) }).await;
    }
}

pub(super) async fn releasing_wakes(store: &Store) {
    let store = store.open().await;
    for key in ["A", "B"] {
        store.begin(0, claim(key, 1)).await;
        wakes(&store, 1, async { assert!(store.give_up(claim(key, 1)).await) }).await;
    }
}

pub(super) async fn all_who_wait_are_woken(store: &Store) {
    let store = store.open().await;
    store.begin(0, claim("A", 1)).await;
    wakes(&store, 20, async { assert!(store.end(claim("A", 1), "created", 1_000).await) }).await;
}

/// So many who wait already are woken by what `happens`.
async fn wakes(store: &Fixture, waiting: usize, happens: impl Future<Output = ()>) {
    let mut waits = Vec::new();
    for _ in 0..waiting {
        let mut changed = store.changed();
        // It may return for nothing; who returned waits no more.
        if !poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_ready())).await {
            waits.push(changed);
        }
    }
    happens.await;
    for changed in waits {
        soon("waking", changed).await;
    }
}
