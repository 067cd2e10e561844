//! The store as one process reaches it: slow, failing, and losing answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{ClaimRequest, Claims, Inbox, Lease, NewDelivery, Recorded, Settled, Settlement};
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_testkit::doubles::{InboxCall, InboxDouble, TransactionalDouble};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::Bug;
use crate::life::Life;
use crate::plan::{chance, millis};
use crate::shop::Transaction;
use crate::world::World;

/// A hanging call ends after this time, which is longer than the limits of all callers.
const HANGING: Duration = Duration::from_secs(60);

pub(crate) struct Reached {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    pub(crate) store: Arc<dyn Inbox>,
    /// Wakes the worker of this process only, as a store does that several processes share.
    pub(crate) work: Notify,
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reached")
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "simulation").because(why)
}

#[async_trait]
impl InboxDouble for Reached {
    fn inner(&self) -> &dyn Inbox {
        &*self.store
    }

    /// The way to the store: an error here means that the call had no effect.
    async fn before(&self, call: InboxCall) -> Result<(), StoreError> {
        self.world.passes(&self.life).await;
        let (world, faults) = (&self.world, self.world.plan.calls);
        let elapsed = world.elapsed();
        let outage = world.plan.outages.iter().find(|outage| world.has_faults() && outage.times.contains(&elapsed));
        let hangs = outage.is_some_and(|outage| outage.hangs) || world.fails(faults.hang);
        if hangs {
            sleep(HANGING).await;
        } else if world.fails(faults.slow) {
            sleep(millis(3_000)).await;
        } else if fastrand::bool() {
            sleep(millis(20)).await;
        }
        self.world.passes(&self.life).await;
        let error = if call == InboxCall::Renew { faults.renewal } else { faults.error };
        if hangs || outage.is_some() || world.fails(error) { Err(unavailable("not reached")) } else { Ok(()) }
    }

    /// The way back: an error here means that the answer was lost.
    async fn after(&self, _: InboxCall) -> Result<(), StoreError> {
        let (world, faults) = (&self.world, self.world.plan.calls);
        let is_late = world.fails(faults.lost_late);
        if is_late {
            sleep(HANGING).await;
        } else if fastrand::bool() {
            sleep(millis(20)).await;
        }
        self.world.passes(&self.life).await;
        if is_late || world.fails(faults.lost) { Err(unavailable("the answer was lost")) } else { Ok(()) }
    }

    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.before(InboxCall::Record).await?;
        if self.world.bug == Some(Bug::LosesRecords) && chance(0.1) {
            return Ok(Recorded::Spilled);
        }
        let recorded = self.store.record(delivery.clone()).await?;
        self.world.note(format_args!("{} records {recorded:?}", self.life.number()));
        let violation = self.world.model().recorded(&delivery, recorded, self.world.elapsed());
        violation.into_iter().for_each(|violation| self.world.violated(violation));
        self.work.notify_one();
        self.after(InboxCall::Record).await?;
        Ok(recorded)
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.before(InboxCall::Claim).await?;
        let early = self.world.bug == Some(Bug::ClaimsTwice) && chance(0.1);
        let at = if early { now.after(Duration::from_secs(60)) } else { now };
        let lease = request.lease;
        let claims = self.store.claim(at, request).await?;
        let process = self.life.number();
        if !claims.deliveries.is_empty() {
            self.world.note(format_args!("{process} claims {:?}", claims.deliveries));
        }
        let violations = self.world.model().claimed(now, self.world.now(), lease, process, &claims);
        violations.into_iter().for_each(|violation| self.world.violated(violation));
        self.after(InboxCall::Claim).await?;
        Ok(claims)
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.before(InboxCall::Renew).await?;
        let lost = self.store.renew(leases.clone(), until).await?;
        self.world.note(format_args!("{} renews {leases:?}, and has lost {lost:?}", self.life.number()));
        self.world.model().renewed(self.life.number(), &leases, &lost, until);
        self.after(InboxCall::Renew).await?;
        Ok(lost)
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        self.before(InboxCall::Settle).await?;
        let lost = self.settle_now(now, settlements).await?;
        self.after(InboxCall::Settle).await?;
        Ok(lost)
    }

    async fn wait_for_work(&self) {
        self.work.notified().await;
        self.life.runs().await;
    }
}

impl Reached {
    async fn settle_now(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let lost = self.store.settle(now, settlements.clone()).await?;
        self.world.note(format_args!("{} settles {settlements:?}, and has lost {lost:?}", self.life.number()));
        let violations = self.world.model().settled(&settlements, &lost);
        violations.into_iter().for_each(|violation| self.world.violated(violation));
        self.work.notify_one();
        Ok(lost)
    }
}

/// Transactions of the ledger, which is in the same store: the settlement and the writes are one step.
#[async_trait]
impl TransactionalDouble for Reached {
    type Transaction = Transaction;
    type Open = Transaction;

    async fn begin(&self, _: Duration) -> Result<Transaction, StoreError> {
        self.before(InboxCall::Begin).await?;
        Ok(Transaction::default())
    }

    async fn complete(&self, transaction: Transaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        self.before(InboxCall::Complete).await?;
        let lost = self.settle_now(now, vec![Settlement::new(lease, Settled::Handled)]).await?;
        let commits = lost.is_empty();
        if commits {
            self.world.ledger().commit(transaction);
        }
        self.after(InboxCall::Complete).await?;
        Ok(commits)
    }

    async fn roll_back(&self, _: Transaction) -> Result<(), StoreError> {
        self.before(InboxCall::RollBack).await
    }
}
