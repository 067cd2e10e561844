//! Settling of leases.

use onramp_webhooks::inbox::{DeadCause, Record, Settled, State};

use super::Store;
use super::tools::{at, complete, dead, dead_of, parked, retry};

pub(super) async fn handled_is_for_good(store: &Store) {
    let record = after(store, Settled::Handled).await;
    assert_eq!((record.state, record.attempts), (State::Handled, 1));
    assert_eq!((record.due_at, record.settled_at, record.note), (None, Some(at(2)), None));
}

pub(super) async fn a_retry_waits_for_its_time(store: &Store) {
    let record = after(store, retry(50)).await;
    assert_eq!((record.state, record.attempts), (State::Retrying, 1));
    assert_eq!((record.due_at, record.settled_at), (Some(at(50)), None));
    assert_eq!(record.note.as_deref(), Some("out of order"));
}

pub(super) async fn a_parked_one_waits_and_costs_no_attempt(store: &Store) {
    let record = after(store, parked(50)).await;
    assert_eq!((record.state, record.attempts), (State::Parked, 0));
    assert_eq!((record.due_at, record.settled_at), (Some(at(50)), None));
    assert_eq!(record.note.as_deref(), Some("no such customer yet"));
}

pub(super) async fn a_dead_letter_waits_for_an_operator(store: &Store) {
    let record = after(store, dead()).await;
    assert_eq!((record.state, record.attempts), (State::Dead, 1));
    assert_eq!((record.due_at, record.settled_at), (None, Some(at(2))));
    assert_eq!(record.note.as_deref(), Some("refused for good"));
}

pub(super) async fn a_dead_letter_says_why(store: &Store) {
    for cause in DeadCause::ALL {
        let inbox = store.open().await;
        let id = inbox.led_to(1, complete("A"), dead_of(cause)).await;
        assert_eq!((inbox.see(id).await.cause, inbox.everything().await[0].cause), (Some(cause), Some(cause)));
        inbox.requeue_any(id, None).await.unwrap();
        assert_eq!(inbox.see(id).await.cause, None, "it waits again");
        let lease = inbox.one_due(2).await.lease;
        assert!(inbox.end(2, lease, Settled::Handled).await);
        assert_eq!(inbox.see(id).await.cause, None);
    }
}

pub(super) async fn a_released_one_is_due_at_once_and_costs_no_attempt(store: &Store) {
    let record = after(store, Settled::Released).await;
    assert_eq!((record.state, record.attempts), (State::Pending, 0));
    assert_eq!((record.due_at, record.settled_at, record.note), (None, None, None));
}

/// Records a delivery, claims it at second 1, settles it with `outcome` at second 2, and checks its next due time.
async fn after(store: &Store, outcome: Settled) -> Record {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let lease = inbox.one_due(1).await.lease;
    assert!(inbox.end(2, lease, outcome).await);
    let record = inbox.see(id).await;
    assert_eq!(record.body, Some(complete("A").body));
    let due_at = match record.state {
        State::Pending => Some(2),
        State::Retrying | State::Parked => {
            assert!(inbox.due(49).await.is_empty(), "not due yet");
            Some(50)
        }
        _ => None,
    };
    match due_at {
        Some(seconds) => assert_eq!(inbox.one_due(seconds).await.lease.id, id),
        None => assert!(inbox.due(1_000_000_000).await.is_empty(), "never due by itself"),
    }
    record
}

pub(super) async fn attempts_are_counted_over_all_outcomes(store: &Store) {
    let inbox = store.open().await;
    let id = inbox.new_id(complete("A")).await;
    let steps = [
        (Settled::Released, 1, 0, None),
        (retry(2), 1, 1, Some("out of order")),
        (Settled::Released, 2, 1, Some("out of order")),
        (parked(4), 2, 1, Some("no such customer yet")),
        (retry(5), 2, 2, Some("out of order")),
        (Settled::Handled, 3, 3, None),
    ];
    for (second, (outcome, number, attempts, note)) in (1..).zip(steps) {
        let claimed = inbox.one_due(second).await;
        assert_eq!(claimed.attempt, number, "before {outcome:?}");
        assert!(inbox.end(second, claimed.lease, outcome.clone()).await);
        let record = inbox.see(id).await;
        assert_eq!((record.attempts, record.note.as_deref()), (attempts, note), "after {outcome:?}");
    }
}
