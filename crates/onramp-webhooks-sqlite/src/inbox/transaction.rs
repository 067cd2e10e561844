//! Transactions for handlers and for the application's own writes.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Inbox, Lease, Settled, Settlement, TransactionalInbox};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::settle::settle;
use crate::SqliteInbox;
use crate::db::{Call, Commit, Session, Step, Writer, ended_by_work, failed, has_ended, is_of_the_statement, rolled_back};

/// The transaction in which a delivery is completed, for the handler's own statements.
///
/// SQLite has one writer at a time; here it is the thread that also records deliveries. The transaction begins with the first
/// [`call`](Self::call), and all other writes wait until the handler returns. Do slow work before the first call: a transaction that is
/// open for longer than [`SqliteOptions::longest_transaction`](crate::SqliteOptions::longest_transaction) is rolled back.
///
/// Transactions that wait at the same time share a commit, as savepoints of one transaction of SQLite, unless they take longer than a
/// few milliseconds. One that fails is rolled back alone, also if it leaves a deferred constraint unresolved. A constraint with
/// `ON CONFLICT ROLLBACK`, a statement that is interrupted, and an error of the disk roll back all of a commit; the others are retried.
pub struct SqliteTransaction {
    writer: Writer,
    limit: Duration,
    session: Option<mpsc::Sender<Step>>,
    /// The error of the call that could not open a transaction.
    never_began: Option<StoreError>,
}

/// The error of a [`SqliteTransaction::call`] or a [`SqliteInbox::call`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A statement failed. A handler's transaction stays open, and the transaction of [`SqliteInbox::call`] is rolled back.
    #[error(transparent)]
    Statement(rusqlite::Error),
    /// The transaction is over and was rolled back: the file could not be written, the transaction was open for too long, or (with
    /// [`Refused`](StoreErrorKind::Refused)) the closure tried to end it itself.
    #[error(transparent)]
    Over(StoreError),
}

impl SqliteTransaction {
    /// Runs `work` in the transaction, on the writing thread. `work` must not begin or end a transaction; it may use savepoints.
    ///
    /// Not cancel-safe: if the future is dropped, the transaction may still contain the work.
    ///
    /// # Errors
    /// Returns a [`CallError`] if a statement or the transaction failed.
    ///
    /// # Panics
    /// Resumes a panic of `work`.
    pub async fn call<T, W>(&mut self, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        self.take(Step::Call(Box::new(Work { work, reply }))).await.map_err(CallError::Over)?;
        match result.await {
            Ok(Outcome::Done(result)) => result,
            Ok(Outcome::Panicked(panic)) => resume_unwind(panic),
            Ok(Outcome::NeverBegan(error)) => {
                self.never_began = Some(error.clone());
                Err(CallError::Over(error))
            }
            Err(_) => Err(CallError::Over(rolled_back())),
        }
    }

    /// Commits after the statements of `last`, or rolls back if they return `false`.
    pub(super) async fn commit(
        mut self,
        last: impl FnOnce(&Connection) -> rusqlite::Result<bool> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let (reply, result) = oneshot::channel();
        self.take(Step::Commit(Commit { last: Box::new(last), reply })).await?;
        result.await.map_err(|_| rolled_back())?
    }

    /// Sends a step to the writing thread. The first step requests a transaction.
    async fn take(&mut self, step: Step) -> Result<(), StoreError> {
        if let Some(session) = &self.session {
            return session.send(step).map_err(|_| rolled_back());
        }
        let (session, steps) = mpsc::channel();
        session.send(step).map_err(|_| rolled_back())?;
        self.writer.serve(Session { steps, limit: self.limit, span: tracing::Span::current() }).await?;
        self.session = Some(session);
        Ok(())
    }
}

impl SqliteInbox {
    pub(super) fn transaction(&self, limit: Duration) -> SqliteTransaction {
        let limit = limit.min(self.options.longest_transaction);
        SqliteTransaction { writer: self.writer.clone(), limit, session: None, never_began: None }
    }
}

#[async_trait]
impl TransactionalInbox for SqliteInbox {
    type Transaction = SqliteTransaction;
    type Open = SqliteTransaction;

    async fn begin(&self, limit: Duration) -> Result<SqliteTransaction, StoreError> {
        Ok(self.transaction(limit))
    }

    async fn complete(&self, open: SqliteTransaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        let handled = Settlement::new(lease, Settled::Handled);
        if open.session.is_none() {
            return Ok(self.settle(now, vec![handled]).await?.is_empty());
        }
        open.commit(move |connection| Ok(settle(connection, now, &[handled])?.is_empty())).await
    }

    async fn roll_back(&self, mut open: SqliteTransaction) -> Result<(), StoreError> {
        if let Some(error) = open.never_began {
            return Err(error);
        }
        if open.session.is_none() {
            return Ok(());
        }
        let (reply, result) = oneshot::channel();
        // A transaction that is over was rolled back.
        if open.take(Step::RollBack { reply }).await.is_err() {
            return Ok(());
        }
        match result.await {
            Ok(Err(error)) if error.kind() == StoreErrorKind::Refused => Err(error),
            _ => Ok(()),
        }
    }
}

impl AsMut<Self> for SqliteTransaction {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl fmt::Debug for SqliteTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTransaction").field("has_begun", &self.session.is_some()).finish_non_exhaustive()
    }
}

enum Outcome<T> {
    Done(Result<T, CallError>),
    Panicked(Box<dyn Any + Send>),
    NeverBegan(StoreError),
}

struct Work<T, W> {
    work: W,
    reply: oneshot::Sender<Outcome<T>>,
}

impl<T, W> Call for Work<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(self: Box<Self>, connection: &Connection) -> Result<(), StoreError> {
        let Self { work, reply } = *self;
        // A panic does not leave the thread's state inconsistent, because the transaction is rolled back.
        let done = catch_unwind(AssertUnwindSafe(|| work(connection)));
        let (outcome, file) = match done {
            Err(panic) => (Outcome::Panicked(panic), Ok(())),
            Ok(Err(error)) if !is_of_the_statement(&error) && connection.is_autocommit() => {
                let error = failed("write to the database")(error);
                (Outcome::Done(Err(CallError::Over(error.clone()))), Err(error))
            }
            Ok(_) if has_ended(connection) => (Outcome::Done(Err(CallError::Over(ended_by_work()))), Ok(())),
            Ok(result) => (Outcome::Done(result.map_err(CallError::Statement)), Ok(())),
        };
        // The caller may be gone.
        let _ = reply.send(outcome);
        file
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Outcome::Done(Err(CallError::Over(error))));
    }

    fn never_began(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Outcome::NeverBegan(error));
    }
}
