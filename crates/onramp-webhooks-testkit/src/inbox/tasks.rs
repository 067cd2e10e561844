//! The states of periodic tasks.

use onramp_webhooks::inbox::TaskState;

use super::Store;

/// A text with everything but NUL that a store could change.
const TEXT: &str = "{\"beginning\":1,\"text\":\"\\ ' % \u{1} \u{e9} \u{1f600}\"}\n";

pub(super) async fn a_state_comes_back_as_it_was_stored(store: &Store) {
    let store = store.open().await;
    let inbox = store.inbox();
    let never = inbox.task_state("reconciliation").await.unwrap();
    assert_eq!(never, TaskState::new("reconciliation"));
    assert!(inbox.set_task_state(never.at(0, TEXT)).await.unwrap());
    let first = inbox.task_state("reconciliation").await.unwrap();
    assert_eq!((first.version, &*first.text), (1, TEXT));
    assert!(inbox.set_task_state(first.at(1, "")).await.unwrap());
    let second = inbox.task_state("reconciliation").await.unwrap();
    assert_eq!((second.version, &*second.text), (2, ""));
}

pub(super) async fn each_task_has_its_state(store: &Store) {
    let store = store.open().await;
    let inbox = store.inbox();
    for task in ["a", "A", "a "] {
        assert!(inbox.set_task_state(TaskState::new(task).at(0, task)).await.unwrap(), "{task:?}");
    }
    for task in ["a", "A", "a "] {
        assert_eq!(inbox.task_state(task).await.unwrap(), TaskState::new(task).at(1, task));
    }
}

pub(super) async fn a_state_that_was_not_seen_is_not_replaced(store: &Store) {
    let store = store.open().await;
    let inbox = store.inbox();
    let task = || TaskState::new("reconciliation");
    assert!(!inbox.set_task_state(task().at(1, "of a lost database")).await.unwrap());
    assert!(inbox.set_task_state(task().at(0, "first")).await.unwrap());
    for version in [0, 2] {
        assert!(!inbox.set_task_state(task().at(version, "late")).await.unwrap(), "{version}");
    }
    assert_eq!(inbox.task_state("reconciliation").await.unwrap(), task().at(1, "first"));
}

pub(super) async fn of_many_at_once_one_replaces_a_state(store: &Store) {
    let store = store.open().await;
    for version in 0..5 {
        let calls: Vec<_> = (0..16)
            .map(|caller: u32| {
                let inbox = store.inbox().clone();
                tokio::spawn(async move { inbox.set_task_state(TaskState::new("task").at(version, caller.to_string())).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (caller, call) in calls.into_iter().enumerate() {
            if call.await.unwrap().unwrap() {
                winners.push(caller.to_string());
            }
        }
        let stored = store.inbox().task_state("task").await.unwrap();
        assert_eq!((winners, stored.version), (vec![stored.text], version + 1));
    }
}
