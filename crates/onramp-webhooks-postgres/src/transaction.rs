//! Transactions for handlers.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Lease, TransactionalInbox};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::PgConnection;
use tokio::sync::OwnedSemaphorePermit;

use crate::PostgresInbox;
use crate::database::{MARK, OPEN, Transaction};
use crate::error::failed;
use crate::settle::complete;

/// The transaction in which a delivery is completed, for the handler's own statements.
///
/// It is used as sqlx's own: `sqlx::query(..).execute(&mut **transaction)`, and `transaction.begin()` (of [`sqlx::Connection`]) begins a
/// savepoint. READ COMMITTED. The worker commits it, and nobody else may.
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
            return Err(StoreError::new(StoreErrorKind::Unavailable, COMPLETE).because("the handler left a savepoint open"));
        }
        let completed = complete(&mut open.transaction, &self.database.schema, now, lease).await.map_err(failed(COMPLETE))?;
        if completed {
            open.transaction.commit().await.map_err(failed(COMPLETE))?;
            self.waking.wake();
        } else {
            open.is_ours(COMPLETE).await?;
            open.roll_back().await;
        }
        Ok(completed)
    }

    async fn roll_back(&self, mut open: PostgresTransaction) -> Result<(), StoreError> {
        match open.is_ours(ROLL_BACK).await {
            Err(error) if error.kind() == StoreErrorKind::Refused => Err(error),
            _ => {
                open.roll_back().await;
                Ok(())
            }
        }
    }
}

impl PostgresTransaction {
    /// Whether this still is the transaction that was begun.
    async fn is_ours(&mut self, context: &'static str) -> Result<(), StoreError> {
        let mark = sqlx::query_scalar("SELECT current_setting($1, true)").bind(MARK).fetch_one(&mut *self.transaction).await;
        let mark: Option<String> = mark.map_err(failed(context))?;
        if mark.as_deref() == Some(OPEN) {
            return Ok(());
        }
        let why = "the handler ended the transaction, which is the worker's to end";
        Err(StoreError::new(StoreErrorKind::Refused, context).because(why))
    }

    /// Whatever the connection suffers, what is not committed is rolled back.
    async fn roll_back(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "could not roll back; the connection is closed");
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
