//! Claims of deliveries behind the heads. A store need not make them, so the cases hold for one that claims only heads, too.

use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{ClaimRequest, ClaimedDelivery, DeliveryId, Lease, NewDelivery, Settled, Settlement, State};

use super::tools::{LEASE, at, complete, ids, order_event, retry, started};
use super::{Fixture, Store};

fn transferring(order: &str) -> NewDelivery {
    order_event(order, "transfer_started", OrderStage::TRANSFERRING)
}

fn leases(claimed: &[ClaimedDelivery]) -> Vec<Lease> {
    claimed.iter().map(|claimed| claimed.lease).collect()
}

fn handled(leases: &[Lease]) -> Vec<Settlement> {
    leases.iter().map(|lease| Settlement::new(*lease, Settled::Handled)).collect()
}

impl Fixture {
    /// Claims deliveries and those behind them. Returns each order in its sequence.
    async fn lines(&self, seconds: i64, limit: usize) -> Vec<Vec<ClaimedDelivery>> {
        let claims = self.claim(at(seconds), ClaimRequest::new(limit, LEASE).with_behind()).await.unwrap();
        let line = |mut head: ClaimedDelivery| {
            let behind = std::mem::take(&mut head.behind);
            [head].into_iter().chain(behind).collect()
        };
        claims.deliveries.into_iter().map(line).collect()
    }

    /// Claims the only order that is due.
    async fn line(&self, seconds: i64, limit: usize) -> Vec<ClaimedDelivery> {
        let mut lines = self.lines(seconds, limit).await;
        assert_eq!(lines.len(), 1, "one order should be due: {lines:?}");
        lines.remove(0)
    }
}

async fn record_order(inbox: &Fixture, order: &str) -> [DeliveryId; 3] {
    [inbox.new_id(started(order)).await, inbox.new_id(transferring(order)).await, inbox.new_id(complete(order)).await]
}

pub(super) async fn they_come_with_their_head_in_their_sequence(store: &Store) {
    let inbox = store.open().await;
    let [a, b] = [record_order(&inbox, "A").await, record_order(&inbox, "B").await];
    let lines = inbox.lines(0, 10).await;
    assert_eq!(lines.len(), 2);
    for (line, all) in lines.iter().zip([a, b]) {
        assert_eq!(ids(line), all[..line.len()]);
        assert!(line.iter().all(|claimed| claimed.behind.is_empty() && !claimed.stale && claimed.attempt == 1));
        for claimed in line {
            assert_eq!(
                (claimed.stage, inbox.state(claimed.lease.id).await),
                (inbox.see(claimed.lease.id).await.stage, State::Leased)
            );
        }
    }
    assert!(inbox.lines(1, 10).await.is_empty(), "nothing of these orders can be claimed");
    for line in lines {
        assert_eq!(inbox.settle(at(1), handled(&leases(&line))).await.unwrap(), []);
    }
    while let Some(line) = inbox.lines(2, 1).await.pop() {
        assert_eq!(inbox.settle(at(2), handled(&leases(&line))).await.unwrap(), []);
    }
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), 6);
}

pub(super) async fn they_take_the_room_that_heads_leave(store: &Store) {
    let inbox = store.open().await;
    record_order(&inbox, "A").await;
    let others = [inbox.new_id(complete("B")).await, inbox.new_id(complete("C")).await];
    let lines = inbox.lines(0, 4).await;
    assert_eq!(lines.iter().map(|line| line[0].lease.id).collect::<Vec<_>>()[1..], others);
    assert!(lines.iter().flatten().count() <= 4);
    let whole = inbox.claim(at(0), ClaimRequest::new(10, LEASE)).await.unwrap();
    assert!(whole.deliveries.is_empty());
    let store = store.open().await;
    record_order(&store, "A").await;
    let claims = store.claim(at(0), ClaimRequest::new(10, LEASE)).await.unwrap();
    assert!(claims.deliveries.iter().all(|claimed| claimed.behind.is_empty()), "they were not asked for");
}

pub(super) async fn nothing_of_the_order_comes_before_them(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, started("A"), retry(10)).await;
    let [second, third] = [inbox.new_id(transferring("A")).await, inbox.new_id(complete("A")).await];
    let line = leases(&inbox.line(1, 10).await);
    assert_eq!(line[0].id, second);
    if let [head, behind] = line[..] {
        assert_eq!(behind.id, third);
        assert_eq!(inbox.settle(at(2), handled(&[head])).await.unwrap(), []);
        assert!(inbox.lines(20, 10).await.is_empty(), "the retry waits for the leased one");
        inbox.tell(started("A")).await;
        assert_eq!(inbox.state(first).await, State::Pending, "its copy makes it due at once");
        assert!(inbox.lines(21, 10).await.is_empty(), "the requeued one waits, too");
        assert_eq!(inbox.renew(vec![behind], at(90)).await.unwrap(), []);
        assert!(inbox.lines(60, 10).await.is_empty());
        assert_eq!(inbox.settle(at(61), handled(&[behind])).await.unwrap(), []);
        assert_eq!(inbox.line(62, 10).await[0].lease.id, first);
    }
}

pub(super) async fn one_that_ends_before_its_head_leaves_the_head_leased(store: &Store) {
    let inbox = store.open().await;
    let all = record_order(&inbox, "A").await;
    let line = leases(&inbox.line(0, 10).await);
    for lease in line.iter().rev() {
        assert!(inbox.lines(1, 10).await.is_empty());
        assert!(inbox.end(1, *lease, Settled::Handled).await);
    }
    if line.len() == all.len() {
        assert!(inbox.lines(2, 10).await.is_empty());
    }
    assert_eq!(inbox.counts().await.unwrap().of(State::Handled), line.len() as u64);
}

pub(super) async fn a_released_one_is_next_in_its_place(store: &Store) {
    let inbox = store.open().await;
    let all = record_order(&inbox, "A").await;
    let line = leases(&inbox.line(0, 10).await);
    let releases = line[1..].iter().map(|lease| Settlement::new(*lease, Settled::Released));
    assert_eq!(inbox.settle(at(1), releases.collect()).await.unwrap(), []);
    assert!(inbox.lines(1, 10).await.is_empty(), "the head is leased");
    assert_eq!(inbox.settle(at(2), handled(&line[..1])).await.unwrap(), []);
    let next = inbox.due(3).await;
    assert_eq!(ids(&next), all[1..2]);
    assert_eq!((next[0].attempt, next[0].lost_claims), (1, 0));
}

pub(super) async fn their_leases_end_with_time(store: &Store) {
    let inbox = store.open().await;
    let all = record_order(&inbox, "A").await;
    let line = inbox.line(0, 10).await;
    assert!(inbox.lines(29, 10).await.is_empty());
    let again = inbox.line(30, 10).await;
    assert_eq!(ids(&again), all[..again.len()]);
    assert!(again.iter().all(|claimed| claimed.attempt == 1));
    for claimed in &again {
        assert_eq!(claimed.lost_claims, u32::from(ids(&line).contains(&claimed.lease.id)));
    }
    let old = leases(&line);
    assert_eq!(inbox.settle(at(31), handled(&old)).await.unwrap(), old, "all are lost");
    assert_eq!(inbox.settle(at(31), handled(&leases(&again))).await.unwrap(), []);
    if again.len() < all.len() {
        assert_eq!(inbox.line(32, 10).await[0].lease.id, all[again.len()]);
    }
}

pub(super) async fn only_a_head_that_was_never_settled_brings_them(store: &Store) {
    let inbox = store.open().await;
    let first = inbox.led_to(0, started("A"), retry(5)).await;
    let mut late = transferring("A");
    late.received_at = at(9);
    inbox.new_id(late).await;
    let line = inbox.line(10, 10).await;
    assert_eq!(ids(&line), [first]);
}

/// An event with the subject of an order may belong to none.
pub(super) async fn an_event_without_an_order_is_followed_by_none(store: &Store) {
    let inbox = store.open().await;
    let order = record_order(&inbox, "A").await;
    let mut alone = order_event("A", "refunded", OrderStage::UNPLACED);
    alone.stage = None;
    let alone = inbox.new_id(alone).await;
    for line in inbox.lines(0, 10).await {
        match line[0].lease.id {
            id if id == alone => assert_eq!(line.len(), 1, "{line:?}"),
            _ => assert_eq!(ids(&line), order[..line.len()]),
        }
    }
}
