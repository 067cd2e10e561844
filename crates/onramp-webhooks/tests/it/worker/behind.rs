//! Orders whose deliveries are claimed together.

use std::time::Duration;

use onramp_webhooks::inbox::{ClaimRequest, DeliveryId, Inbox, Lease, Settled, Settlement, State};
use onramp_webhooks_testkit::events::WertOrder;

use super::harness::{Do, Harness, end, rest};
use crate::faulty::InboxCall;

/// An order with three events that wait, the first and the last of which report its begin and its end.
async fn post_order(harness: &Harness) {
    let order = WertOrder::new();
    for body in [order.payment_started(), order.transfer_started(), order.complete()] {
        harness.post(body).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_claimed_once_and_handled_in_its_sequence() {
    let harness = Harness::new();
    post_order(&harness).await;
    let mut working = harness.worker(|worker| worker);
    for event_type in ["payment_started", "transfer_started", "order_complete"] {
        let call = working.call().await;
        assert_eq!((&*call.event_type, call.stale, call.attempt), (event_type, false, 1));
        working.rests().await;
        if event_type == "payment_started" {
            assert_eq!(harness.states().await, [(State::Leased, 3)].into());
        }
        call.answer(Do::Handle);
    }
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
}

#[tokio::test(start_paused = true)]
async fn one_that_follows_a_later_stage_is_stale_if_that_was_handled() {
    for (first, stale) in [(Do::Handle, true), (Do::Refuse, false), (Do::Fail, false)] {
        let harness = Harness::new();
        let order = WertOrder::new();
        for body in [order.complete(), order.transfer_started(), order.payment_started()] {
            harness.post(body).await;
        }
        let mut working = harness.worker(|worker| worker);
        working.call().await.answer(first);
        let second = working.call().await;
        assert_eq!((&*second.event_type, second.stale), ("transfer_started", stale));
        second.answer(Do::Handle);
        let third = working.call().await;
        assert_eq!((&*third.event_type, third.stale), ("payment_started", true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_releases_those_that_have_not_begun() {
    let harness = Harness::new();
    post_order(&harness).await;
    let mut working = harness.worker(|worker| worker);
    let call = working.call().await;
    let stopping = tokio::spawn(end(working.worker));
    rest().await;
    call.answer(Do::Handle);
    stopping.await.unwrap();
    assert_eq!(harness.states().await, [(State::Handled, 1), (State::Pending, 2)].into());
    let mut next = harness.worker(|worker| worker);
    for event_type in ["transfer_started", "order_complete"] {
        let call = next.call().await;
        assert_eq!((&*call.event_type, call.attempt), (event_type, 1));
        call.answer(Do::Handle);
    }
}

/// Another worker handles the order from then on, so nothing of it may begin here.
#[tokio::test(start_paused = true)]
async fn after_a_lost_lease_none_of_those_behind_begins() {
    let harness = Harness::new();
    post_order(&harness).await;
    let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(30)));
    let call = working.call().await;
    harness.inbox.errors(InboxCall::Renew, usize::MAX);
    harness.pass(31);
    let claims = harness.inbox.inner.claim(harness.now(), ClaimRequest::new(10, Duration::from_secs(300))).await.unwrap();
    assert_eq!(claims.deliveries.len(), 1);
    harness.inbox.errors(InboxCall::Renew, 0);
    harness.pass(1);
    working.rests().await;
    harness.pass(15);
    working.rests().await;
    assert!(call.is_dropped());
    assert_eq!(harness.states().await, [(State::Leased, 1), (State::Pending, 2)].into());
}

/// The first event of an order was handled, but not settled, and the second one runs. The worker learns of the loss by a settlement or by a
/// renewal.
#[tokio::test(start_paused = true)]
async fn a_lost_order_ends_what_began_after_the_lost_event() {
    for heard in [InboxCall::Settle, InboxCall::Renew] {
        let harness = Harness::new();
        post_order(&harness).await;
        let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(30)));
        harness.inbox.errors(InboxCall::Settle, usize::MAX);
        harness.inbox.errors(InboxCall::Renew, usize::MAX);
        working.call().await.answer(Do::Handle);
        let second = working.call().await;
        harness.pass(31);
        let claims = harness.inbox.inner.claim(harness.now(), ClaimRequest::new(10, Duration::from_secs(300))).await.unwrap();
        assert_eq!(claims.deliveries.len(), 1);
        harness.inbox.errors(heard, 0);
        harness.pass(1);
        working.rests().await;
        assert!(second.is_dropped(), "{heard:?}");
        harness.inbox.errors(InboxCall::Settle, 0);
        harness.pass(1);
        working.rests().await;
        assert_eq!(harness.states().await, [(State::Leased, 1), (State::Pending, 2)].into(), "{heard:?}");
    }
}

/// Another worker took the order over for a moment and released it. The event in front is claimed again while the one behind it runs.
#[tokio::test(start_paused = true)]
async fn nothing_of_an_order_begins_beside_one_that_already_runs() {
    let harness = Harness::new();
    post_order(&harness).await;
    let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(300)));
    let first = working.call().await;
    let later = harness.now().after(Duration::from_secs(600));
    let request = ClaimRequest::new(10, Duration::from_secs(300)).with_behind();
    let taken = harness.inbox.inner.claim(later, request).await.unwrap();
    let leases = taken.deliveries.iter().flat_map(|head| std::iter::once(head).chain(&head.behind)).map(|claimed| claimed.lease);
    let released: Vec<_> = leases.map(|lease| Settlement::new(lease, Settled::Released)).collect();
    assert_eq!(released.len(), 3);
    harness.inbox.errors(InboxCall::Settle, usize::MAX);
    first.answer(Do::Handle);
    let second = working.call().await;
    assert_eq!(harness.inbox.inner.settle(later, released).await.unwrap(), []);
    for _ in 0..3 {
        harness.pass(1);
        working.rests().await;
    }
    assert_eq!((&*second.event_type, working.running()), ("transfer_started", 1));
    harness.inbox.errors(InboxCall::Settle, 0);
    second.answer(Do::Handle);
    harness.pass(1);
    let again = working.call().await;
    assert_eq!((&*again.event_type, again.stale), ("payment_started", true));
    again.answer(Do::Handle);
    harness.pass(1);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
}

/// Takes everything over, as another worker does after the end of the leases, handles this delivery, and releases the others.
async fn handled_elsewhere(harness: &Harness, id: DeliveryId) {
    let later = harness.now().after(Duration::from_secs(600));
    let claims = harness.inbox.inner.claim(later, ClaimRequest::new(10, Duration::from_secs(300))).await.unwrap();
    let end = |lease: Lease| Settlement::new(lease, if lease.id == id { Settled::Handled } else { Settled::Released });
    let ends = claims.deliveries.iter().map(|claimed| end(claimed.lease)).collect();
    assert_eq!(harness.inbox.inner.settle(later, ends).await.unwrap(), []);
    assert_eq!(harness.inbox.inner.show(id).await.unwrap().unwrap().state, State::Handled);
}

/// Another worker has handled the first event while it still runs here, so the store gives away the second one.
#[tokio::test(start_paused = true)]
async fn nothing_of_an_order_begins_beside_one_whose_lease_was_lost_unnoticed() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.payment_started()).await;
    let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(300)));
    let first = working.call().await;
    handled_elsewhere(&harness, first.id).await;
    harness.inbox.errors(InboxCall::Renew, usize::MAX);
    harness.post(order.complete()).await;
    for _ in 0..3 {
        working.rests().await;
        assert_eq!((working.running(), first.is_dropped()), (1, false));
        harness.pass(1);
    }
    harness.inbox.errors(InboxCall::Renew, 0);
    harness.pass(1);
    let second = working.call().await;
    assert_eq!((&*second.event_type, first.is_dropped(), working.running()), ("order_complete", true, 1));
    second.answer(Do::Handle);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn one_whose_lease_was_lost_unnoticed_does_not_begin_beside_another_of_its_order() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post_logins(1).await;
    let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(300)).concurrency(1));
    let login = working.call().await;
    harness.post(order.payment_started()).await;
    working.rests().await;
    let waiting = harness.kept().await.into_iter().map(|record| record.id).max().unwrap();
    handled_elsewhere(&harness, waiting).await;
    harness.post(order.complete()).await;
    working.rests().await;
    login.answer(Do::Handle);
    let call = working.call().await;
    assert_eq!(call.event_type, "order_complete");
    call.answer(Do::Handle);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 3)].into());
}

/// At the end of a shutdown, the settlement of the first event is given up, and that of the second one, which has ended as well, does not
/// answer. Another worker may handle the order meanwhile.
#[tokio::test(start_paused = true)]
async fn what_follows_a_settlement_that_was_given_up_is_not_renewed() {
    let harness = Harness::new();
    let order = WertOrder::new();
    harness.post(order.payment_started()).await;
    harness.post(order.complete()).await;
    let mut working = harness.worker(|worker| worker.lease(Duration::from_secs(30)).grace(Duration::from_secs(1)));
    harness.inbox.hangs(InboxCall::Settle);
    working.call().await.answer(Do::Handle);
    working.call().await.answer(Do::Handle);
    working.rests().await;
    let stopping = tokio::spawn(working.worker.shutdown());
    while harness.inbox.calls(InboxCall::Settle) < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    harness.pass(11);
    rest().await;
    assert_eq!(harness.inbox.calls(InboxCall::Renew), 0);
    stopping.await.unwrap();
    assert_eq!(harness.states().await, [(State::Leased, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn a_long_order_takes_turns_with_others() {
    let harness = Harness::new();
    let order = WertOrder::new();
    for number in 0..60 {
        harness.post(order.clone().with("number", number).failed()).await;
    }
    let mut working = harness.worker(|worker| worker.concurrency(1));
    let first = working.call().await;
    assert_eq!(harness.states().await, [(State::Leased, 60)].into());
    harness.post_logins(3).await;
    working.rests().await;
    first.answer(Do::Handle);
    let mut logins = 0;
    for _ in 0..6 {
        let call = working.call().await;
        logins += usize::from(call.event_type == "login");
        working.rests().await;
        call.answer(Do::Handle);
    }
    assert_eq!(logins, 3);
}

/// Bodies take memory, so a slow handler must not lead to ever more claims.
#[tokio::test(start_paused = true)]
async fn so_many_are_claimed_behind_others_and_no_more() {
    let harness = Harness::new();
    let mut working = harness.worker(|worker| worker.batch(8).concurrency(20));
    for _ in 0..10 {
        let order = WertOrder::new();
        for number in 0..20 {
            harness.post(order.clone().with("number", number).failed()).await;
        }
        working.call().await.answer(Do::Hang);
        working.rests().await;
    }
    assert_eq!(harness.states().await[&State::Leased], 10 + 7, "each head, and those behind one of them");
}
