//! Claiming of keys, and finding of claimed ones.

use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyKey, KeyLease, KeyState};

use super::Store;
use super::tools::{at, claim, done, running, usual};

pub(super) async fn a_new_key_is_claimed(store: &Store) {
    let store = store.open().await;
    assert_eq!(store.ask(0, claim("A", 1), usual()).await, KeyState::Claimed);
}

pub(super) async fn a_running_key_is_found_with_its_fingerprint(store: &Store) {
    let store = store.open().await;
    let fingerprint = Fingerprint::of(b"the first body");
    assert_eq!(store.ask(0, claim("A", 1), fingerprint).await, KeyState::Claimed);
    assert_eq!(store.ask(1, claim("A", 2), fingerprint).await, running(fingerprint));
    assert_eq!(store.ask(29, claim("A", 3), Fingerprint::of(b"another")).await, running(fingerprint));
    assert_eq!(store.ask(1, claim("A", 1), fingerprint).await, running(fingerprint), "a claim finds itself");
}

pub(super) async fn a_done_key_is_found_with_its_fingerprint_and_reply(store: &Store) {
    let store = store.open().await;
    let fingerprint = Fingerprint::of(b"the first body");
    assert_eq!(store.ask(0, claim("A", 1), fingerprint).await, KeyState::Claimed);
    assert!(store.end(claim("A", 1), "created", 1_000).await);
    assert_eq!(store.ask(1, claim("A", 2), fingerprint).await, done(fingerprint, "created"));
    assert_eq!(store.ask(999, claim("A", 3), Fingerprint::of(b"another")).await, done(fingerprint, "created"));
    assert_eq!(store.ask(999, claim("A", 1), fingerprint).await, done(fingerprint, "created"));
}

pub(super) async fn a_reply_comes_back_to_the_byte(store: &Store) {
    let store = store.open().await;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let replies = [Vec::new(), vec![0], b"\xff\xfe\0text\0".to_vec(), every_byte.clone(), every_byte.repeat(4_096)];
    for (number, reply) in replies.into_iter().enumerate() {
        let claim = claim(&format!("{number}"), 1);
        store.done_until(claim, reply.clone(), 1_000).await;
        // A failed `assert_eq` would print a megabyte.
        assert!(
            store.find(1, claim).await == done(usual(), reply.clone()),
            "a stored reply of {} bytes was changed",
            reply.len()
        );
    }
}

pub(super) async fn whoever_only_finds_changes_nothing(store: &Store) {
    let store = store.open().await;
    let (runs, will_end, is_done) = (claim("A", 1), claim("B", 1), claim("C", 1));
    store.begin(0, runs).await;
    store.begin(0, will_end).await;
    store.done_until(is_done, "created", 100).await;
    for second in 0..30 {
        assert_eq!(store.find(second, runs).await, running(usual()));
        assert_eq!(store.find(second, will_end).await, running(usual()));
        assert_eq!(store.find(second, is_done).await, done(usual(), "created"));
    }
    assert!(store.end(will_end, "ended", 100).await, "the first claim is still held");
    store.begin(30, claim("A", 2)).await;
    for second in 30..100 {
        assert_eq!(store.find(second, will_end).await, done(usual(), "ended"));
        assert_eq!(store.find(second, is_done).await, done(usual(), "created"));
    }
    store.begin(100, claim("B", 2)).await;
    store.begin(100, claim("C", 2)).await;
}

pub(super) async fn keys_are_independent(store: &Store) {
    let store = store.open().await;
    let bytes = [[0; 32], with(0, 1), with(31, 1), with(31, 0x80), [0xff; 32]];
    let claims =
        bytes.map(|bytes| KeyLease { key: IdempotencyKey::from_bytes(bytes), token: i64::from(bytes[0]) + i64::from(bytes[31]) });
    for claim in claims {
        store.begin(0, claim).await;
    }
    assert!(store.end(claims[1], "one", 1_000).await);
    assert!(store.give_up(claims[2]).await);
    assert!(store.renew_until(claims[3], 500).await);
    assert_eq!(store.find(1, claims[0]).await, running(usual()));
    assert_eq!(store.find(100, claims[1]).await, done(usual(), "one"));
    store.begin(1, claims[2]).await;
    assert_eq!(store.find(100, claims[3]).await, running(usual()));
    assert_eq!(store.find(1, claims[4]).await, running(usual()));
    store.begin(100, claims[0]).await;
}

fn with(place: usize, byte: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[place] = byte;
    bytes
}

pub(super) async fn a_lease_that_ended_is_taken_over(store: &Store) {
    let store = store.open().await;
    store.begin(0, claim("A", 1)).await;
    assert_eq!(store.find(29, claim("A", 1)).await, running(usual()));
    let fingerprint = Fingerprint::of(b"the second body");
    assert_eq!(
        store.ask(30, claim("A", 2), fingerprint).await,
        KeyState::Claimed,
        "a lease until second 30 has ended at second 30"
    );
    assert_eq!(store.find(31, claim("A", 2)).await, running(fingerprint));
    assert!(store.end(claim("A", 2), "second", 1_000).await);
    assert_eq!(store.find(32, claim("A", 2)).await, done(fingerprint, "second"));
}

pub(super) async fn a_reply_that_expired_is_claimed_anew(store: &Store) {
    let store = store.open().await;
    store.done_until(claim("A", 1), "first", 100).await;
    assert_eq!(store.find(99, claim("A", 1)).await, done(usual(), "first"));
    let fingerprint = Fingerprint::of(b"the second body");
    assert_eq!(
        store.ask(100, claim("A", 2), fingerprint).await,
        KeyState::Claimed,
        "a reply until second 100 has expired at second 100"
    );
    assert_eq!(store.find(101, claim("A", 2)).await, running(fingerprint), "nothing of the first reply is left");
    assert!(store.end(claim("A", 2), "second", 200).await);
    assert_eq!(store.find(199, claim("A", 2)).await, done(fingerprint, "second"));
}

pub(super) async fn a_clock_that_goes_back_loses_nothing(store: &Store) {
    let store = store.open().await;
    let (runs, is_done) = (claim("A", 1), claim("B", 1));
    store.begin(1_000, runs).await;
    store.begin(1_000, is_done).await;
    assert!(store.end(is_done, "created", 2_000).await);
    for second in [999, 0, -1_000_000, 1_000] {
        assert_eq!(store.find(second, runs).await, running(usual()));
        assert_eq!(store.find(second, is_done).await, done(usual(), "created"));
        assert_eq!(store.prune(at(second)).await.unwrap(), 0);
    }
    assert!(store.renew_until(runs, 1_100).await);
    assert!(store.end(runs, "created, too", 2_000).await);
    assert_eq!(store.find(0, runs).await, done(usual(), "created, too"));
}
