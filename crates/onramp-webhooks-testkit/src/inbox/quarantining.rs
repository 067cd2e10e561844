//! Quarantine: every unreadable delivery is kept, and noise is bounded.

use onramp_webhooks::inbox::{QuarantineBound, Recorded, Settled, State};

use super::Store;
use super::tools::{complete, dead, noise, unreadable};

pub(super) async fn what_lies_in_quarantine_is_not_claimed(store: &Store) {
    let inbox = store.open().await;
    for (new, note) in [(noise("{"), "not JSON: line 1, column 1"), (unreadable("{}"), "order: missing")] {
        let record = inbox.see(inbox.new_id(new.clone()).await).await;
        assert_eq!((record.state, record.note.as_deref()), (State::Quarantined, Some(note)));
        assert_eq!((record.event_type, record.body, record.due_at), (None, Some(new.body), None));
    }
    let claims = inbox.claims(1_000_000_000, 10).await;
    assert!(claims.deliveries.is_empty());
    assert_eq!(claims.next_due, None);
}

pub(super) async fn the_oldest_noise_goes_beyond_the_number(store: &Store) {
    let inbox = store.open_with(QuarantineBound::new(3, 1 << 20)).await;
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(inbox.new_id(noise(format!("{{{number}"))).await);
        let kept: Vec<_> = inbox.everything().await.iter().rev().map(|record| record.id).collect();
        assert_eq!(kept, all[all.len().saturating_sub(3)..]);
    }
}

pub(super) async fn the_oldest_noise_goes_beyond_the_bytes(store: &Store) {
    let inbox = store.open_with(QuarantineBound::new(100, 100)).await;
    let [a, b] = [inbox.new_id(noise("a".repeat(30))).await, inbox.new_id(noise("b".repeat(40))).await];
    let c = inbox.new_id(noise("c".repeat(30))).await;
    assert_eq!(inbox.everything().await.len(), 3, "exactly at the bound");
    let d = inbox.new_id(noise("d")).await;
    assert!(inbox.is_gone(a).await && !inbox.is_gone(b).await);
    let e = inbox.new_id(noise("e".repeat(99))).await;
    for gone in [b, c] {
        assert!(inbox.is_gone(gone).await);
    }
    assert_eq!([inbox.state(d).await, inbox.state(e).await], [State::Quarantined; 2]);
}

pub(super) async fn nothing_but_noise_ever_goes(store: &Store) {
    let inbox = store.open_with(QuarantineBound::new(1, 10)).await;
    let noise_before = inbox.new_id(noise("{")).await;
    let stay = [
        inbox.led_to(0, complete("handled"), Settled::Handled).await,
        inbox.led_to(0, complete("dead"), dead()).await,
        inbox.new_id(unreadable(r#"{"type":"order_complete"}"#)).await,
        inbox.new_id(complete("pending")).await,
        inbox.new_id(unreadable(r#"{"type":"order_failed"}"#)).await,
    ];
    for number in 0..5 {
        inbox.new_id(noise(format!("{{{number}"))).await;
    }
    assert!(inbox.is_gone(noise_before).await);
    assert_eq!(inbox.everything().await.len(), stay.len() + 1);
    for id in stay {
        assert!(inbox.see(id).await.body.is_some());
    }
}

pub(super) async fn what_went_is_new_again(store: &Store) {
    let inbox = store.open_with(QuarantineBound::new(1, 1 << 20)).await;
    let first = inbox.new_id(noise("{")).await;
    assert_eq!(inbox.tell(noise("{")).await, Recorded::Duplicate { first, requeued: false });
    inbox.new_id(noise("[")).await;
    assert!(inbox.is_gone(first).await);
    let again = inbox.new_id(noise("{")).await;
    assert!(again > first);
}

pub(super) async fn noise_that_was_requeued_is_noise_no_more(store: &Store) {
    let inbox = store.open_with(QuarantineBound::new(1, 1 << 20)).await;
    let requeued = inbox.new_id(noise("{")).await;
    inbox.requeue_any(requeued, None).await.unwrap();
    let read = inbox.new_id(noise("[")).await;
    inbox.requeue_any(read, Some(complete("A"))).await.unwrap();
    for number in 0..3 {
        inbox.new_id(noise(format!("{{{number}"))).await;
    }
    assert_eq!([inbox.state(requeued).await, inbox.state(read).await], [State::Pending; 2]);
    assert_eq!(inbox.due(0).await.len(), 2);
}
