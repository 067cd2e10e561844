//! Several users of one schema.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::identity::{DedupKey, OrderStage};
use onramp_webhooks::inbox::{
    ClaimRequest, DeadCause, Filter, Inbox, Lease, NewDelivery, QuarantineBound, Requeue, Settled, Settlement, State,
};
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use onramp_webhooks_suite::deliveries::{LATER_STATE, a_later_state_waits_alone};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::tools::{TestSchema, claim, connection, handled, now, pool, purchase, record};

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_schema_at_the_same_time() {
    for _ in 0..3 {
        let schema = Arc::new(TestSchema::new());
        let barrier = Arc::new(Barrier::new(6));
        let mut opening = JoinSet::new();
        for _ in 0..6 {
            let (schema, barrier) = (Arc::clone(&schema), Arc::clone(&barrier));
            opening.spawn(async move {
                barrier.wait().await;
                record(&schema.open(QuarantineBound::default()).await, purchase()).await
            });
        }
        let ids: BTreeSet<i64> = opening.join_all().await.into_iter().collect();
        assert_eq!(ids, (1..=6).collect());
    }
}

/// Each inbox records events of the same few orders and handles whatever is due; no order is ever in two hands.
#[tokio::test(flavor = "multi_thread")]
async fn several_machines_never_hold_one_order_at_the_same_time() {
    const EACH: usize = 60;
    let schema = Arc::new(TestSchema::new());
    let held: Arc<Mutex<HashSet<String>>> = Arc::default();
    let mut machines = JoinSet::new();
    for machine in 0..4 {
        let (schema, held) = (Arc::clone(&schema), Arc::clone(&held));
        machines.spawn(async move {
            let inbox = schema.open(QuarantineBound::default()).await;
            for event in 0..EACH {
                record(&inbox, of_order(&format!("{}", event % 5), &format!("{machine}/{event}"))).await;
                let claimed = claim(&inbox, 3).await;
                let orders: Vec<_> = claimed.iter().map(|claimed| claimed.key.as_ref().unwrap().subject().to_owned()).collect();
                for order in &orders {
                    assert!(held.lock().unwrap().insert(order.clone()), "{order} is in two hands");
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                held.lock().unwrap().retain(|order| !orders.contains(order));
                handled(&inbox, &claimed).await;
            }
        });
    }
    machines.join_all().await;
    let inbox = schema.open(QuarantineBound::default()).await;
    loop {
        let rest = claim(&inbox, 100).await;
        if rest.is_empty() {
            break;
        }
        handled(&inbox, &rest).await;
    }
    let all = inbox.list(Filter::all().limit(usize::MAX)).await.unwrap().records;
    assert_eq!(all.len(), 4 * EACH);
    assert!(all.iter().all(|record| record.state == State::Handled && record.attempts == 1));
}

/// A claim that has begun does not see what another one makes due: without the common lock, it takes the next event of
/// the order.
#[tokio::test(flavor = "multi_thread")]
async fn what_falls_due_while_others_claim_holds_its_order() {
    let schema = TestSchema::new();
    let mut inboxes = Vec::new();
    for _ in 0..4 {
        inboxes.push(Arc::new(schema.open(QuarantineBound::default()).await));
    }
    for round in 0..12 {
        for order in 0..30 {
            record(&inboxes[0], of_order(&format!("{round}/{order}"), "first")).await;
        }
        let parked = |lease| Settlement::new(lease, Settled::Parked { until: now(), reason: "not yet".into() });
        let first = claim(&inboxes[0], 30).await.iter().map(|claimed| parked(claimed.lease)).collect();
        inboxes[0].settle(now(), first).await.unwrap();
        for order in 0..30 {
            record(&inboxes[0], of_order(&format!("{round}/{order}"), "second")).await;
        }
        let barrier = Arc::new(Barrier::new(inboxes.len()));
        let mut claiming = JoinSet::new();
        for inbox in &inboxes {
            let (inbox, barrier) = (Arc::clone(inbox), Arc::clone(&barrier));
            claiming.spawn(async move {
                barrier.wait().await;
                claim(&inbox, 30).await
            });
        }
        let claimed = claiming.join_all().await.concat();
        let orders: HashSet<_> = claimed.iter().map(|claimed| claimed.key.as_ref().unwrap().subject()).collect();
        assert_eq!(orders.len(), claimed.len(), "an order is in two hands");
        handled(&inboxes[0], &claimed).await;
        handled(&inboxes[0], &claim(&inboxes[0], 60).await).await;
    }
}

fn of_order(order: &str, event: &str) -> NewDelivery {
    let mut new = purchase();
    new.key = Some(DedupKey::from_parts(format!("wert/order/{order}"), event.into()));
    new.stage = Some(OrderStage::UNPLACED);
    new
}

/// A delivery that a transaction is changing is skipped together with its order; other orders are not held up.
#[tokio::test]
async fn a_claim_waits_for_nobody_and_keeps_the_order() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let (first, mut second) = (purchase(), purchase());
    second.key = Some(DedupKey::from_parts(first.key.as_ref().unwrap().subject().into(), "order_refunded".into()));
    let first = record(&inbox, first).await;
    record(&inbox, second).await;
    let other = record(&inbox, purchase()).await;
    let mut changing = connection().await;
    sqlx::raw_sql("BEGIN").execute(&mut changing).await.unwrap();
    let lock = schema.sql("SELECT FROM onramp.deliveries WHERE id = $1 FOR UPDATE");
    sqlx::query(lock).bind(first).execute(&mut changing).await.unwrap();
    let claimed = claim(&inbox, 10).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.lease.id.as_i64()).collect::<Vec<_>>(), [other]);
    sqlx::raw_sql("ROLLBACK").execute(&mut changing).await.unwrap();
    assert_eq!(claim(&inbox, 10).await[0].lease.id.as_i64(), first);
}

/// A claim that is filled begins where the one before found something.
#[tokio::test]
async fn what_returns_to_the_queue_is_found_at_once_and_what_another_machine_returns_within_a_second() {
    let schema = TestSchema::new();
    let (here, there) = (schema.open(QuarantineBound::default()).await, schema.open(QuarantineBound::default()).await);
    for _ in 0..7 {
        record(&here, purchase()).await;
    }
    let begun = now();
    let claim = async |inbox: &PostgresInbox, millis, limit| {
        let request = ClaimRequest::new(limit, Duration::from_secs(30));
        let claims = inbox.claim(begun.after(Duration::from_millis(millis)), request).await.unwrap();
        claims.deliveries.iter().map(|claimed| claimed.lease).collect::<Vec<_>>()
    };
    let ids = |leases: &[Lease]| leases.iter().map(|lease| lease.id.as_i64()).collect::<Vec<_>>();
    let release = async |inbox: &PostgresInbox, lease| {
        assert_eq!(inbox.settle(begun, vec![Settlement::new(lease, Settled::Released)]).await.unwrap(), []);
    };
    let theirs = claim(&there, 0, 1).await;
    let ours = claim(&here, 0, 3).await;
    assert_eq!((ids(&theirs), ids(&ours)), (vec![1], vec![2, 3, 4]));
    release(&there, theirs[0]).await;
    release(&here, ours[1]).await;
    assert_eq!(ids(&claim(&here, 999, 1).await), [3]);
    assert_eq!(ids(&claim(&here, 999, 1).await), [5]);
    assert_eq!(ids(&claim(&here, 1_000, 1).await), [1]);
    assert_eq!(ids(&claim(&here, 1_000, 3).await), [6, 7], "a claim that is not filled has looked at everything");
}

/// The next claim of the same second begins behind the others, and would be filled with them.
#[tokio::test]
async fn a_delivery_at_a_new_endpoint_and_one_that_was_replayed_are_found_at_once() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    for _ in 0..6 {
        record(&inbox, purchase()).await;
    }
    let begun = now();
    let held = ClaimRequest::new(1, Duration::from_secs(30)).held([("wert".into(), 1)].into());
    let claim = async || inbox.claim(begun, held.clone()).await.unwrap().deliveries[0].lease;
    let first = claim().await;
    let dead = Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "no such customer".into() };
    inbox.settle(begun, vec![Settlement::new(first, dead)]).await.unwrap();
    assert_eq!([claim().await.id.as_i64(), claim().await.id.as_i64()], [2, 3]);
    inbox.requeue(Requeue::new(begun, first.id, State::Dead)).await.unwrap();
    assert_eq!(claim().await.id, first.id);
    let mut elsewhere = of_order("elsewhere", "first");
    elsewhere.endpoint = "sandbox".into();
    let elsewhere = record(&inbox, elsewhere).await;
    assert_eq!(claim().await.id.as_i64(), elsewhere, "the worker holds fewer of its endpoint");
}

#[tokio::test]
async fn what_another_machine_records_wakes() {
    let schema = TestSchema::new();
    let (here, there) = (schema.open(QuarantineBound::default()).await, schema.open(QuarantineBound::default()).await);
    // Returns once it listens.
    tokio::time::timeout(Duration::from_secs(10), here.wait_for_work()).await.unwrap();
    record(&there, purchase()).await;
    tokio::time::timeout(Duration::from_secs(10), here.wait_for_work()).await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(200), here.wait_for_work()).await;
    assert!(quiet.is_err(), "woken for nothing");
}

#[tokio::test]
async fn a_pool_of_one_connection_is_enough() {
    let schema = TestSchema::new();
    let inbox = PostgresOptions::new(pool(1).await).schema(schema.name()).open().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), inbox.wait_for_work()).await.unwrap();
    record(&inbox, purchase()).await;
    handled(&inbox, &claim(&inbox, 1).await).await;
}

#[tokio::test]
async fn a_state_of_a_later_version_waits_alone() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let later = purchase();
    let id = record(&inbox, later.clone()).await;
    let set = schema.sql("UPDATE onramp.deliveries SET state = $1 WHERE id = $2");
    sqlx::query(set).bind(i16::from(LATER_STATE)).bind(id).execute(&mut connection().await).await.unwrap();
    a_later_state_waits_alone(&inbox, &later, id).await;
}
