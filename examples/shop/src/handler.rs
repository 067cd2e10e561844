//! The handler, which is the same on every database.

use onramp_webhooks::{Delivery, HandlerError, TransactionalHandler, async_trait};
use onramp_webhooks_postgres::PostgresTransaction;
use onramp_webhooks_sqlite::SqliteTransaction;

use crate::credit::Credit;
use crate::output;
use crate::points::postgres::PostgresPoints;
use crate::points::sqlite::SqlitePoints;
use crate::waiting::Waiting;

/// Credits points for completed purchases in the transaction that completes the delivery, and prints a line for each handled delivery.
#[derive(Debug)]
pub(crate) struct Loyalty<P> {
    pub(crate) points: P,
    pub(crate) waiting: Waiting,
}

impl<P> Loyalty<P> {
    fn committed(&self, delivery: &Delivery) {
        self.waiting.handled(delivery);
        output::handled(delivery);
    }
}

#[async_trait]
impl TransactionalHandler<SqliteTransaction> for Loyalty<SqlitePoints> {
    async fn handle(&self, delivery: &Delivery, transaction: &mut SqliteTransaction) -> Result<(), HandlerError> {
        if let Some(credit) = Credit::of(delivery)? {
            self.points.credit(transaction, credit).await?;
        }
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        self.committed(delivery);
    }
}

#[async_trait]
impl TransactionalHandler<PostgresTransaction> for Loyalty<PostgresPoints> {
    async fn handle(&self, delivery: &Delivery, transaction: &mut PostgresTransaction) -> Result<(), HandlerError> {
        if let Some(credit) = Credit::of(delivery)? {
            self.points.credit(transaction, credit).await?;
        }
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        self.committed(delivery);
    }
}
