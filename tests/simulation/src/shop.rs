//! The shop: its handler, and its ledger.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::event::Money;
use onramp_webhooks::inbox::DeliveryId;
use onramp_webhooks::{Delivery, Handler, HandlerError, TransactionalHandler};
use tokio::time::sleep;

use crate::Bug;
use crate::life::Life;
use crate::plan::millis;
use crate::world::World;

/// An entry of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Credit {
    pub(crate) customer: String,
    pub(crate) crypto: Money,
    pub(crate) fiat: Money,
    key: String,
}

/// The ledger of the shop. Without transactions, the dedup key makes its writes idempotent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) credits: Vec<Credit>,
    keys: BTreeSet<String>,
}

/// The writes of a handler that are not committed.
#[derive(Debug, Default)]
pub(crate) struct Transaction(pub(crate) Option<Credit>);

impl AsMut<Self> for Transaction {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Ledger {
    pub(crate) fn commit(&mut self, transaction: Transaction) {
        self.credits.extend(transaction.0);
    }

    fn credit_once(&mut self, credit: Credit) {
        if self.keys.insert(credit.key.clone()) {
            self.credits.push(credit);
        }
    }
}

pub(crate) struct Shop {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
}

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let call = self.begin(delivery, !self.life.is_interrupted());
        if let Some(credit) = self.work(delivery).await? {
            match self.world.bug {
                Some(Bug::CreditsTwice) => self.world.ledger().credits.push(credit),
                _ => self.world.ledger().credit_once(credit),
            }
        }
        self.after_writing().await?;
        call.completes();
        Ok(())
    }
}

#[async_trait]
impl TransactionalHandler<Transaction> for Shop {
    async fn handle(&self, delivery: &Delivery, transaction: &mut Transaction) -> Result<(), HandlerError> {
        let call = self.begin(delivery, false);
        transaction.0 = self.work(delivery).await?;
        self.after_writing().await?;
        call.completes();
        Ok(())
    }
}

impl Shop {
    fn begin(&self, delivery: &Delivery, is_exact: bool) -> Call {
        let (world, process) = (&self.world, self.life.number());
        world.note(format_args!("{process} handles {} (attempt {})", delivery.id(), delivery.attempt()));
        let (number, violations) = world.model().begins(world.elapsed(), world.now(), process, delivery, is_exact);
        violations.into_iter().for_each(|violation| world.violated(violation));
        Call { world: Arc::clone(world), number, process, id: delivery.id() }
    }

    /// Does all but write. Returns the credit of a purchase.
    async fn work(&self, delivery: &Delivery) -> Result<Option<Credit>, HandlerError> {
        self.world.passes(&self.life).await;
        self.take_poison(delivery).await;
        let (world, faults) = (&self.world, self.world.plan.handler);
        match world.fails(faults.slow) {
            true => sleep(millis(2 * world.plan.worker.attempt.as_millis() as u64)).await,
            false if fastrand::bool() => sleep(millis(200)).await,
            false => {}
        }
        self.world.passes(&self.life).await;
        if world.fails(faults.error) {
            return Err("the shop's database is busy".into());
        }
        if world.fails(faults.panic) {
            // A panic without the message on standard error.
            std::panic::resume_unwind(Box::new("a bug of the shop"));
        }
        if delivery.event().type_label() == "unknown" {
            return Err(HandlerError::permanent("the shop does not know this event"));
        }
        let Some(purchase) = delivery.completed_purchase()? else { return Ok(None) };
        let customer = purchase.customer_id()?.to_owned();
        let key = delivery.key().map(ToString::to_string).unwrap_or_default();
        Ok(Some(Credit { customer, crypto: purchase.crypto, fiat: purchase.fiat, key }))
    }

    async fn after_writing(&self) -> Result<(), HandlerError> {
        if fastrand::bool() {
            sleep(millis(100)).await;
        }
        self.world.passes(&self.life).await;
        match self.world.fails(self.world.plan.handler.late_error) {
            true => Err("the connection was lost".into()),
            false => Ok(()),
        }
    }

    /// Ends the process if the delivery is the poison, and some is left.
    async fn take_poison(&self, delivery: &Delivery) {
        let is_poison = self.world.posts.of(delivery.raw()).is_some_and(|(_, post)| post.is_poison);
        if is_poison && self.world.uses_poison() {
            self.world.note(format_args!("{} ends the process {}", delivery.id(), self.life.number()));
            self.life.crash();
            pending::<()>().await;
        }
    }
}

/// A call of the handler, which ends when it is dropped.
struct Call {
    world: Arc<World>,
    number: u64,
    process: u64,
    id: DeliveryId,
}

impl Call {
    fn completes(self) {
        self.world.model().completes(self.process, self.id);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.world.model().ends(self.number);
    }
}
