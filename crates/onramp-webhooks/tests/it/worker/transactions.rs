//! Transactional handlers: whatever fails, writes are committed exactly once, with the completion.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::inbox::{ClaimRequest, DeadCause, DeliveryId, Inbox, Settled, Settlement, State};
use onramp_webhooks::worker::{RetryPolicy, WorkerBuilder};
use onramp_webhooks::{Delivery, HandlerError, TransactionalHandler, async_trait};
use onramp_webhooks_testkit::events::WertOrder;
use tokio::time::Instant;
use tracing::Level;

use super::harness::{Asking, Do, Harness, Working, end, rest};
use crate::faulty::InboxCall;
use crate::ledger::Transaction;
use crate::logs::Log;

const LEASE: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3_600);

/// Writes down the delivery, and asks what else to do.
struct Writing {
    asking: Asking,
    told: Arc<Mutex<Vec<DeliveryId>>>,
    panics_when_told: bool,
}

#[async_trait]
impl TransactionalHandler<Transaction> for Writing {
    async fn handle(&self, delivery: &Delivery, transaction: &mut Transaction) -> Result<(), HandlerError> {
        transaction.write(delivery.id());
        self.asking.ask(delivery).await
    }

    fn committed(&self, delivery: &Delivery) {
        assert!(!self.panics_when_told, "the handler's own bug");
        self.told.lock().unwrap().push(delivery.id());
    }
}

/// A harness with one purchase, and a worker over it.
struct Shop {
    harness: Harness,
    working: Working,
    told: Arc<Mutex<Vec<DeliveryId>>>,
}

impl Shop {
    async fn new() -> Self {
        Self::with(|_| {}, |worker| worker, false).await
    }

    async fn with(
        before: impl FnOnce(&Harness),
        change: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
        panics_when_told: bool,
    ) -> Self {
        let harness = Harness::new();
        harness.post(WertOrder::new().complete()).await;
        before(&harness);
        let told = Arc::default();
        let working = Working::of(|asking| {
            let handler = Writing { asking, told: Arc::clone(&told), panics_when_told };
            let worker = harness.receiver.transactional_worker(Arc::new(harness.inbox.clone()), handler);
            // So long that no pause is drawn that is none.
            let retry = RetryPolicy::new(20, HOUR, HOUR);
            change(worker.lease(LEASE).attempt_timeout(TIMEOUT).retry(retry))
        });
        Self { harness, working, told }
    }

    /// The state, and how many attempts have counted.
    async fn stands(&self) -> (State, u32) {
        let record = self.harness.only().await;
        (record.state, record.attempts)
    }

    async fn note(&self) -> String {
        self.harness.only().await.note.unwrap()
    }

    /// Asserts that no transaction is open and that none was committed.
    fn has_nothing(&self) {
        assert_eq!((self.harness.inbox.ledger.committed(), self.harness.inbox.ledger.open()), (vec![], 0));
        assert_eq!(*self.told.lock().unwrap(), []);
    }

    /// The delivery was completed with its row, and is not handled any more.
    async fn is_done(&mut self, attempts: u32) {
        for _ in 0..3 {
            self.working.rests().await;
            self.harness.clock.advance(HOUR);
        }
        let id = self.harness.only().await.id;
        assert_eq!(self.stands().await, (State::Handled, attempts));
        assert_eq!((self.harness.inbox.ledger.committed(), self.harness.inbox.ledger.open()), (vec![id], 0));
    }

    /// The failed delivery succeeds at its next attempt.
    async fn goes_well(&mut self, attempt: u32) {
        self.harness.clock.advance(HOUR);
        let call = self.working.call().await;
        assert_eq!(call.attempt, attempt);
        call.answer(Do::Handle);
        self.is_done(attempt).await;
        assert_eq!(self.told.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_cannot_be_opened_costs_no_attempt_and_a_second() {
    let mut shop = Shop::with(|harness| harness.inbox.errors(InboxCall::Begin, 3), |worker| worker, false).await;
    for tries in 1..=3 {
        shop.working.rests().await;
        assert_eq!(shop.stands().await, (State::Parked, 0));
        assert!(shop.note().await.contains("no transaction could be opened"));
        shop.harness.clock.advance(Duration::from_millis(999));
        shop.working.rests().await;
        assert_eq!(shop.harness.inbox.calls(InboxCall::Begin), tries);
        shop.harness.clock.advance(Duration::from_millis(1));
    }
    shop.has_nothing();
    shop.goes_well(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_never_opened_costs_no_attempt() {
    let mut shop = Shop::with(|harness| harness.inbox.hangs(InboxCall::Begin), |worker| worker, false).await;
    rest().await;
    assert_eq!(shop.stands().await, (State::Leased, 0));
    tokio::time::sleep(TIMEOUT).await;
    assert_eq!(shop.stands().await, (State::Parked, 0));
    shop.harness.inbox.recovers();
    shop.goes_well(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_finds_no_transaction_costs_no_attempt() {
    let mut shop = Shop::new().await;
    shop.harness.inbox.errors(InboxCall::RollBack, 1);
    shop.working.call().await.answer(Do::Fail);
    rest().await;
    assert_eq!(shop.stands().await, (State::Parked, 0));
    shop.goes_well(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_tried_again() {
    let mut shop = Shop::new().await;
    shop.harness.inbox.errors(InboxCall::Complete, 1);
    shop.working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(shop.stands().await, (State::Retrying, 1));
    shop.has_nothing();
    shop.goes_well(2).await;
}

/// Not a failure either, and not a dead letter where no attempt is left.
#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_counts() {
    for attempts in [1, 20] {
        for late in [false, true] {
            let policy = RetryPolicy::new(attempts, HOUR, HOUR);
            let mut shop = Shop::with(|_| {}, |worker| worker.retry(policy), false).await;
            match late {
                false => shop.harness.inbox.loses_answers(InboxCall::Complete),
                true => shop.harness.inbox.is_late(InboxCall::Complete, HOUR),
            }
            shop.working.call().await.answer(Do::Handle);
            tokio::time::sleep(2 * TIMEOUT).await;
            shop.is_done(1).await;
            assert_eq!(*shop.told.lock().unwrap(), [], "nobody could know");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_rolled_back() {
    let (log, _listening) = Log::listen("attempt", Level::WARN);
    for hangs in [false, true] {
        let mut shop = Shop::new().await;
        let call = shop.working.call().await;
        let id = call.id.to_string();
        if hangs {
            shop.harness.inbox.hangs(InboxCall::RollBack);
        }
        tokio::time::sleep(TIMEOUT + Duration::from_millis(1_100)).await;
        assert!(call.is_dropped());
        assert_eq!(shop.stands().await, (State::Retrying, 1));
        assert!(shop.note().await.contains("the handler took longer than 5s"));
        let entries = log.take();
        assert_eq!(entries.iter().map(|entry| entry.field("id")).collect::<Vec<_>>(), [id]);
        assert!(entries[0].field("error").contains("WorkerBuilder::attempt_timeout"), "{entries:?}");
        assert!(!entries[0].field("took").is_empty(), "{entries:?}");
        shop.has_nothing();
        shop.goes_well(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_commit_has_what_the_handler_left_of_the_time() {
    let mut shop = Shop::new().await;
    shop.harness.inbox.hangs(InboxCall::Complete);
    let call = shop.working.call().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    call.answer(Do::Handle);
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(shop.stands().await, (State::Leased, 0));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shop.stands().await, (State::Retrying, 1));
    assert!(shop.note().await.contains("the handler and its commit took longer than 5s (WorkerBuilder::attempt_timeout)"));
    shop.has_nothing();
    shop.harness.inbox.recovers();
    shop.goes_well(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_rolled_back() {
    let mut shop = Shop::new().await;
    shop.working.call().await.answer(Do::Panic);
    rest().await;
    assert_eq!(shop.stands().await, (State::Retrying, 1));
    assert_eq!(shop.harness.inbox.calls(InboxCall::RollBack), 1);
    shop.has_nothing();
    shop.goes_well(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_one_who_is_told_changes_nothing() {
    let mut shop = Shop::with(|_| {}, |worker| worker, true).await;
    shop.working.call().await.answer(Do::Handle);
    shop.is_done(1).await;
    // The worker goes on.
    shop.harness.post(WertOrder::new().complete()).await;
    shop.working.call().await.answer(Do::Handle);
    rest().await;
    assert_eq!(shop.harness.states().await, [(State::Handled, 2)].into());
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_took_over_is_not_committed() {
    let mut shop = Shop::new().await;
    let call = shop.working.call().await;
    // Its clock is ahead.
    let other = shop.harness.inbox.claim(shop.harness.now().after(LEASE), ClaimRequest::new(1, LEASE)).await.unwrap();
    call.answer(Do::Handle);
    shop.working.rests().await;
    assert_eq!(shop.stands().await, (State::Leased, 0));
    shop.has_nothing();
    let refused = Settlement::new(
        other.deliveries[0].lease,
        Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: "by the other".into() },
    );
    assert_eq!(shop.harness.inbox.settle(shop.harness.now(), vec![refused]).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_anew_while_it_ran_is_handled_again_and_written_once() {
    let mut shop = Shop::new().await;
    let call = shop.working.call().await;
    let other = shop.harness.inbox.claim(shop.harness.now().after(LEASE), ClaimRequest::new(1, LEASE)).await.unwrap();
    let released = Settlement::new(other.deliveries[0].lease, Settled::Released);
    assert_eq!(shop.harness.inbox.settle(shop.harness.now(), vec![released]).await.unwrap(), []);
    shop.working.rests().await;
    assert_eq!(shop.stands().await, (State::Leased, 0), "claimed anew, and still running");
    assert!(!call.is_dropped());
    call.answer(Do::Handle);
    let again = shop.working.call().await;
    assert_eq!((shop.harness.inbox.ledger.committed(), shop.harness.inbox.ledger.open()), (vec![], 1));
    assert_eq!((again.id, again.attempt), (shop.harness.only().await.id, 1));
    again.answer(Do::Handle);
    shop.is_done(1).await;
    assert_eq!(shop.told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_what_is_open_is_rolled_back_and_given_back() {
    let mut shop = Shop::with(|_| {}, |worker| worker.grace(Duration::from_secs(2)), false).await;
    let call = shop.working.call().await;
    let begun = Instant::now();
    end(shop.working.worker).await;
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert!(call.is_dropped());
    let record = shop.harness.only().await;
    assert_eq!((record.state, record.attempts, record.note), (State::Pending, 0, None));
    assert_eq!((shop.harness.inbox.ledger.committed(), shop.harness.inbox.ledger.open()), (vec![], 0));
}

/// It had happened, and its answer came too late.
#[tokio::test(start_paused = true)]
async fn a_commit_in_the_last_moment_of_the_grace_counts() {
    for grace in [2, 4] {
        let mut shop = Shop::with(|_| {}, |worker| worker.grace(Duration::from_secs(grace)), false).await;
        shop.harness.inbox.is_late(InboxCall::Complete, Duration::from_secs(3));
        shop.working.call().await.answer(Do::Handle);
        rest().await;
        let begun = Instant::now();
        end(shop.working.worker).await;
        assert!(begun.elapsed() <= Duration::from_secs(grace.min(3)));
        let record = shop.harness.only().await;
        assert_eq!((record.state, record.attempts), (State::Handled, 1));
        assert_eq!((shop.harness.inbox.ledger.committed(), shop.harness.inbox.ledger.open()), (vec![record.id], 0));
        assert_eq!(shop.told.lock().unwrap().len(), usize::from(grace > 3));
    }
}

/// The settlement of a failed event and the commit of the next one would change the same order at the same time.
#[tokio::test(start_paused = true)]
async fn the_next_of_an_order_begins_after_the_settlement_of_a_failed_one() {
    let (harness, order) = (Harness::new(), WertOrder::new());
    for body in [order.payment_started(), order.transfer_started(), order.complete()] {
        harness.post(body).await;
    }
    let mut working = Working::of(|asking| {
        let handler = Writing { asking, told: Arc::default(), panics_when_told: false };
        harness.receiver.transactional_worker(Arc::new(harness.inbox.clone()), handler)
    });
    working.call().await.answer(Do::Handle);
    let second = working.call().await;
    harness.inbox.errors(InboxCall::Settle, 1);
    second.answer(Do::Refuse);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 1), (State::Leased, 2)].into());
    harness.pass(1);
    let third = working.call().await;
    assert_eq!((&*third.event_type, third.attempt), ("order_complete", 1));
    third.answer(Do::Handle);
    working.rests().await;
    assert_eq!(harness.states().await, [(State::Handled, 2), (State::Dead, 1)].into());
}
