//! Transactions for handlers.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Lease, TransactionalInbox};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};
use tokio::sync::OwnedSemaphorePermit;

use super::settle::complete;
use crate::PostgresInbox;
use crate::db::{SAVEPOINT, Transaction, failed, is_no_savepoint};

/// The transaction in which a delivery is completed, for the handler's own statements.
///
/// Use it like a transaction of sqlx: `sqlx::query(..).execute(&mut **transaction)`. `transaction.begin()` (of [`sqlx::Connection`]) begins a
/// savepoint. The isolation level is READ COMMITTED. Only the worker may commit the transaction or roll it back. See the
/// [crate's documentation](crate#a-handler-that-writes-into-the-same-database) for an example and the time limit.
pub struct PostgresTransaction {
    transaction: Transaction,
    _permit: OwnedSemaphorePermit,
}

const BEGIN: &str = "begin a transaction";
const COMPLETE: &str = "complete a delivery";
const ROLL_BACK: &str = "roll back";

#[async_trait]
impl TransactionalInbox for PostgresInbox {
    type Transaction = PostgresTransaction;
    type Open = PostgresTransaction;

    async fn begin(&self, limit: Duration) -> Result<PostgresTransaction, StoreError> {
        let permit = Arc::clone(&self.transactions).acquire_owned().await;
        let permit = permit.map_err(|closed| StoreError::new(StoreErrorKind::Closed, BEGIN).because(closed))?;
        let transaction = self.database.begin_for(limit).await.map_err(failed(BEGIN))?;
        Ok(PostgresTransaction { transaction, _permit: permit })
    }

    async fn complete(&self, mut open: PostgresTransaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        if open.transaction.savepoints() > 0 {
            return Err(StoreError::new(StoreErrorKind::Unavailable, COMPLETE)
                .because("the handler left a savepoint open; commit it or roll it back"));
        }
        let completed = match complete(&mut open.transaction, &self.database.schema, now, lease).await {
            Ok(completed) => completed,
            // After a failed statement of the handler this may be another transaction.
            Err(error) => {
                return Err(open.undo(COMPLETE).await.err().filter(is_refused).unwrap_or_else(|| failed(COMPLETE)(error)));
            }
        };
        if completed {
            open.transaction.commit().await.map_err(failed(COMPLETE))?;
            self.fronts.ended([lease.id]);
            self.wakeups.wake();
        } else {
            open.undo(COMPLETE).await?;
            open.roll_back().await;
        }
        Ok(completed)
    }

    async fn roll_back(&self, mut open: PostgresTransaction) -> Result<(), StoreError> {
        match open.undo(ROLL_BACK).await {
            Err(error) if is_refused(&error) => Err(error),
            _ => {
                open.roll_back().await;
                Ok(())
            }
        }
    }
}

fn is_refused(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Refused
}

impl PostgresTransaction {
    /// Rolls back all writes, and fails if this is not the transaction that was begun. Also works after a failed statement.
    async fn undo(&mut self, context: &'static str) -> Result<(), StoreError> {
        let back = AssertSqlSafe(format!("ROLLBACK TO {SAVEPOINT}"));
        match raw_sql(back).execute(&mut *self.transaction).await {
            Err(error) if is_no_savepoint(&error) => {
                let why = "the handler ended the transaction with COMMIT or ROLLBACK, which it must not do";
                Err(StoreError::new(StoreErrorKind::Refused, context).because(why))
            }
            done => done.map(drop).map_err(failed(context)),
        }
    }

    /// Rolls the transaction back. If that fails, closing the connection has the same effect.
    async fn roll_back(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "could not roll back; closing the connection");
        }
    }
}

impl Deref for PostgresTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for PostgresTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

impl AsMut<Self> for PostgresTransaction {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl fmt::Debug for PostgresTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTransaction").finish_non_exhaustive()
    }
}
