//! Deliveries that an operator forgets.

use onramp_webhooks::StoreErrorKind;
use onramp_webhooks::inbox::{DeliveryId, Recorded, Settled, State};

use super::Store;
use super::tools::{complete, keyless, received, unreadable, used_up};

pub(super) async fn a_body_goes_at_once_and_the_key_stays(store: &Store) {
    let inbox = store.open().await;
    let [_, _, _, _, handled, dead, _, kept] = inbox.one_of_each().await;
    for (id, state) in [(handled, State::Handled), (dead, State::Dead), (kept, State::Conflict)] {
        let before = inbox.see(id).await;
        inbox.forget(id).await.unwrap();
        let after = inbox.see(id).await;
        assert_eq!((after.state, after.key, after.body, after.note), (state, before.key, None, None));
        inbox.forget(id).await.unwrap();
    }
    let copy = Recorded::Duplicate { first: handled, requeued: false };
    assert_eq!(inbox.tell(received(complete("handled"), 20)).await, copy, "it is not handled again");
}

pub(super) async fn what_has_no_key_and_what_is_quarantined_goes_whole(store: &Store) {
    let inbox = store.open().await;
    let handled = inbox.led_to(0, keyless(), Settled::Handled).await;
    let quarantined = inbox.new_id(unreadable("{}")).await;
    for id in [handled, quarantined] {
        inbox.forget(id).await.unwrap();
        assert!(inbox.is_gone(id).await);
    }
    assert!(inbox.new_id(keyless()).await > quarantined, "its id is not used again");
}

pub(super) async fn what_waits_is_refused(store: &Store) {
    let inbox = store.open().await;
    for id in &inbox.one_of_each().await[..4] {
        assert_eq!(inbox.forget(*id).await.unwrap_err().kind(), StoreErrorKind::Refused);
        assert!(inbox.see(*id).await.body.is_some());
    }
}

pub(super) async fn what_is_not_there_is_not_found(store: &Store) {
    let inbox = store.open().await;
    assert_eq!(inbox.forget(DeliveryId::from_i64(999)).await.unwrap_err().kind(), StoreErrorKind::NotFound);
}

pub(super) async fn a_copy_of_a_forgotten_dead_letter_is_only_counted(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, complete("A"), used_up()).await;
    inbox.forget(first).await.unwrap();
    assert_eq!(inbox.tell(complete("A")).await, Recorded::Duplicate { first, requeued: false });
    assert_eq!(inbox.state(first).await, State::Dead);
}
