//! Wake-ups of requests that wait for another one.

use std::future::{Future, poll_fn};
use std::task::Poll;

use super::tools::{claim, soon};
use super::{Fixture, Store};

pub(super) async fn completing_wakes(store: &Store) {
    let store = store.open().await;
    // Twice, because a store may keep a wake-up for the first call.
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

/// Asserts that `happens` wakes all `waiting` calls.
async fn wakes(store: &Fixture, waiting: usize, happens: impl Future<Output = ()>) {
    let mut waits = Vec::new();
    for _ in 0..waiting {
        let mut changed = store.changed();
        // A call that returns spuriously no longer waits.
        if !poll_fn(|cx| Poll::Ready(changed.as_mut().poll(cx).is_ready())).await {
            waits.push(changed);
        }
    }
    happens.await;
    for changed in waits {
        soon("waking", changed).await;
    }
}
