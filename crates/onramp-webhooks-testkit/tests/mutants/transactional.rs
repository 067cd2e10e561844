//! Inboxes whose transactions each break one promise, and the case that has to notice.

use std::collections::HashMap;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, DeliveryId, Inbox, Lease, MemoryInbox, NewDelivery, Recorded, Settled, Settlement,
};
use onramp_webhooks::{HandlerError, StoreError, StoreErrorKind, async_trait};
use onramp_webhooks_testkit::doubles::{Double, InboxDouble, TransactionalDouble};
use onramp_webhooks_testkit::transactional::{Fixture, Ledger, Store, cases};

#[derive(Debug)]
struct Mutant {
    inbox: MemoryInbox,
    defect: Defect,
    leases: Mutex<HashMap<DeliveryId, Lease>>,
    committed: Arc<Mutex<i64>>,
}

/// A transaction: what is written in it, and what became of it.
struct Written {
    committed: Arc<Mutex<i64>>,
    defect: Defect,
    cents: i64,
    has_failed: bool,
    has_ended: bool,
}

impl Written {
    fn commit(&mut self) {
        *self.committed.lock().unwrap() += take(&mut self.cents);
    }

    fn refused() -> StoreError {
        StoreError::new(StoreErrorKind::Refused, "test").because("the handler ended the transaction")
    }
}

impl AsMut<Self> for Written {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.defect == Defect::CommitsWhatIsDropped {
            self.commit();
        }
    }
}

#[async_trait]
impl TransactionalDouble for Mutant {
    type Transaction = Written;
    type Open = Written;

    async fn begin(&self, _: Duration) -> Result<Written, StoreError> {
        let committed = Arc::clone(&self.committed);
        Ok(Written { committed, defect: self.defect, cents: 0, has_failed: false, has_ended: false })
    }

    async fn complete(&self, mut open: Written, now: Timestamp, mut lease: Lease) -> Result<bool, StoreError> {
        match self.defect {
            Defect::LetsHandlersEnd => {}
            Defect::BlamesNobody if open.has_ended => return Err(StoreError::new(StoreErrorKind::Unavailable, "test")),
            _ if open.has_ended => return Err(Written::refused()),
            _ => {}
        }
        if open.has_failed {
            if self.defect != Defect::CompletesAfterAFailure {
                return Err(StoreError::new(StoreErrorKind::Unavailable, "test").because("a statement failed"));
            }
            open.cents = 0;
        }
        match self.defect {
            Defect::ForgetsToComplete => {
                open.commit();
                return Ok(true);
            }
            Defect::ForgetsTheLedger => open.cents = 0,
            Defect::CompletesWithWritesOnly if open.cents == 0 => return Ok(true),
            Defect::ForgetsTheFence => lease = self.leases.lock().unwrap()[&lease.id],
            _ => {}
        }
        let lost = self.inbox.settle(now, vec![Settlement::new(lease, Settled::Handled)]).await?;
        if lost.is_empty() || self.defect == Defect::CommitsWhatIsLost {
            open.commit();
        }
        Ok(lost.is_empty())
    }

    async fn roll_back(&self, mut open: Written) -> Result<(), StoreError> {
        match self.defect {
            Defect::ForgetsToRollBack => open.commit(),
            Defect::RollsBackWhatHandlersEnded => {}
            _ if open.has_ended => return Err(Written::refused()),
            _ => {}
        }
        Ok(())
    }
}

#[async_trait]
impl InboxDouble for Mutant {
    fn inner(&self) -> &dyn Inbox {
        &self.inbox
    }

    async fn record(&self, mut new: NewDelivery) -> Result<Recorded, StoreError> {
        if self.defect == Defect::HandsOutTwoOfOneOrder {
            new.stage = None;
        }
        self.inbox.record(new).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        let claims = self.inbox.claim(now, request).await?;
        self.leases.lock().unwrap().extend(claims.deliveries.iter().map(|claimed| (claimed.lease.id, claimed.lease)));
        Ok(claims)
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let lost = self.inbox.settle(now, settlements).await?;
        Ok(if self.defect == Defect::SettlesTwice { Vec::new() } else { lost })
    }
}

struct Shop(Arc<Double<Mutant>>);

#[async_trait]
impl Ledger for Shop {
    type Inbox = Double<Mutant>;

    fn inbox(&self) -> Arc<Double<Mutant>> {
        Arc::clone(&self.0)
    }

    async fn credit(&self, open: &mut Written, cents: i64) -> Result<(), HandlerError> {
        open.cents += cents;
        if open.defect == Defect::WritesAtOnce {
            open.commit();
        }
        Ok(())
    }

    async fn fail(&self, open: &mut Written) -> Result<(), HandlerError> {
        open.has_failed = true;
        Err(HandlerError::transient("a constraint"))
    }

    async fn end(&self, open: &mut Written) -> Result<(), HandlerError> {
        open.commit();
        open.has_ended = true;
        Ok(())
    }

    async fn total(&self) -> i64 {
        *self.0.committed.lock().unwrap()
    }
}

fn store(defect: Defect) -> Store {
    Store::new(move || async move {
        let (inbox, leases, committed) = (MemoryInbox::new(), Mutex::default(), Arc::default());
        Fixture::new(Shop(Arc::new(Double(Mutant { inbox, defect, leases, committed }))))
    })
}

mutants! {
    ForgetsTheFence: an_inbox_that_forgets_the_fence => "committing::a_lost_lease_commits_nothing";
    CommitsWhatIsLost: an_inbox_that_commits_under_a_lost_lease => "committing::a_lost_lease_commits_nothing",
        an_inbox_that_commits_what_was_handled => "committing::what_another_worker_handled_is_not_handled_again",
        an_inbox_that_commits_what_was_released => "committing::a_released_delivery_is_not_completed_under_its_old_lease";
    ForgetsToComplete: an_inbox_that_forgets_to_complete => "committing::both_are_committed";
    ForgetsTheLedger: an_inbox_that_forgets_the_ledger => "committing::both_are_committed",
        an_inbox_that_forgets_the_ledgers_of_many => "handling::many_at_once_are_each_committed_once";
    ForgetsToRollBack: an_inbox_that_forgets_to_roll_back => "committing::what_is_rolled_back_is_neither",
        an_inbox_that_forgets_to_roll_back_after_an_error => "handling::an_error_rolls_both_back_and_is_tried_again",
        an_inbox_that_forgets_to_roll_back_after_a_panic => "handling::a_panic_rolls_both_back_and_is_tried_again",
        an_inbox_that_forgets_to_roll_back_after_a_timeout => "handling::a_timeout_rolls_both_back_and_is_tried_again";
    CommitsWhatIsDropped: an_inbox_that_commits_what_is_dropped => "committing::what_is_dropped_is_neither";
    WritesAtOnce: an_inbox_that_writes_at_once => "committing::both_are_committed";
    CompletesWithWritesOnly: an_inbox_that_completes_only_with_writes => "committing::a_handler_that_writes_nothing_completes";
    SettlesTwice: an_inbox_that_settles_twice => "committing::a_commit_whose_answer_was_lost_is_not_settled_again";
    CompletesAfterAFailure: an_inbox_that_completes_after_a_failure => "committing::after_a_failed_statement_it_is_both_or_neither";
    LetsHandlersEnd: an_inbox_that_lets_handlers_end => "committing::a_transaction_that_the_handler_ended_is_refused",
        an_inbox_whose_worker_lets_handlers_end => "handling::an_own_commit_is_a_dead_letter_at_once";
    BlamesNobody: an_inbox_that_blames_nobody => "handling::an_own_commit_is_a_dead_letter_at_once";
    RollsBackWhatHandlersEnded: an_inbox_that_rolls_back_what_handlers_ended => "committing::a_rollback_of_what_the_handler_ended_is_refused",
        an_inbox_whose_worker_rolls_back_what_handlers_ended => "handling::an_own_commit_before_an_error_is_a_dead_letter_at_once";
    HandsOutTwoOfOneOrder: an_inbox_that_handles_two_of_one_order => "handling::events_of_one_order_never_run_at_the_same_time";
}
