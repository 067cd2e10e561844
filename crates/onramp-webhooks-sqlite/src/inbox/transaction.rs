//! Transactions for handlers.

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

use crate::SqliteInbox;
use crate::error::{failed, is_of_the_statement};
use crate::session::{Call, Session, Step, ended_by_handler};
use crate::writer::Writer;

/// The transaction in which a delivery is completed, for the handler's own statements.
///
/// SQLite has one writer at a time, and here that is the thread which also records what the receiver takes in. The transaction begins
/// with the first [`call`](Self::call), and everybody else who writes waits from there until the handler returns. So do what is slow
/// before it; a transaction that stays open longer than [`SqliteOptions::longest_transaction`](crate::SqliteOptions::longest_transaction)
/// is rolled back.
pub struct SqliteTransaction {
    writer: Writer,
    limit: Duration,
    session: Option<mpsc::Sender<Step>>,
    /// Why it never was open, once a call found out.
    never_began: Option<StoreError>,
}

/// Why a [`call`](SqliteTransaction::call) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A statement failed. The transaction goes on without it.
    #[error(transparent)]
    Statement(rusqlite::Error),
    /// The transaction is over, and nothing of it happened: the file cannot be written, it was open for too long, or (with
    /// [`Refused`](StoreErrorKind::Refused)) the handler ended it itself.
    #[error(transparent)]
    Over(StoreError),
}

impl SqliteTransaction {
    /// Runs `work` in the transaction, on the writing thread. It must not begin or end a transaction; savepoints are its to use.
    ///
    /// Not cancel-safe: work that is given up may have been done in the transaction.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Panics
    /// When `work` does, with its panic.
    pub async fn call<T, W>(&mut self, work: W) -> Result<T, CallError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.take(Step::Call(Box::new(Asked { work, reply }))).await.map_err(CallError::Over)?;
        match answer.await {
            Ok(Answer::Done(result)) => result,
            Ok(Answer::Panicked(panic)) => resume_unwind(panic),
            Ok(Answer::NeverBegan(error)) => {
                self.never_began = Some(error.clone());
                Err(CallError::Over(error))
            }
            Err(_) => Err(CallError::Over(rolled_back())),
        }
    }

    /// Hands a step to the writing thread; the first one asks for a transaction.
    async fn take(&mut self, step: Step) -> Result<(), StoreError> {
        if let Some(session) = &self.session {
            return session.send(step).map_err(|_| rolled_back());
        }
        let (session, steps) = mpsc::channel();
        session.send(step).map_err(|_| rolled_back())?;
        self.writer.serve(Session { steps, limit: self.limit }).await?;
        self.session = Some(session);
        Ok(())
    }
}

fn rolled_back() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "use a transaction")
        .because("it was rolled back, after an error or too long a time")
}

#[async_trait]
impl TransactionalInbox for SqliteInbox {
    type Transaction = SqliteTransaction;
    type Open = SqliteTransaction;

    async fn begin(&self, limit: Duration) -> Result<SqliteTransaction, StoreError> {
        let limit = limit.min(self.options.longest_transaction);
        Ok(SqliteTransaction { writer: self.writer.clone(), limit, session: None, never_began: None })
    }

    async fn complete(&self, mut open: SqliteTransaction, now: Timestamp, lease: Lease) -> Result<bool, StoreError> {
        if open.session.is_none() {
            let lost = self.settle(now, vec![Settlement::new(lease, Settled::Handled)]).await?;
            return Ok(lost.is_empty());
        }
        let (reply, answer) = oneshot::channel();
        open.take(Step::Complete { now, lease, reply }).await?;
        answer.await.map_err(|_| rolled_back())?
    }

    async fn roll_back(&self, mut open: SqliteTransaction) -> Result<(), StoreError> {
        if let Some(error) = open.never_began {
            return Err(error);
        }
        if open.session.is_none() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        // One that is over has been rolled back.
        if open.take(Step::RollBack { reply }).await.is_err() {
            return Ok(());
        }
        match answer.await {
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

enum Answer<T> {
    Done(Result<T, CallError>),
    Panicked(Box<dyn Any + Send>),
    NeverBegan(StoreError),
}

struct Asked<T, W> {
    work: W,
    reply: oneshot::Sender<Answer<T>>,
}

impl<T, W> Call for Asked<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(self: Box<Self>, connection: &Connection) -> Result<(), StoreError> {
        let Self { work, reply } = *self;
        // Nothing of ours is half-changed by a panic, and the transaction is rolled back after it.
        let done = catch_unwind(AssertUnwindSafe(|| work(connection)));
        let (answer, file) = match done {
            Err(panic) => (Answer::Panicked(panic), Ok(())),
            Ok(Err(error)) if !is_of_the_statement(&error) && connection.is_autocommit() => {
                let error = failed("write to the database")(error);
                (Answer::Done(Err(CallError::Over(error.clone()))), Err(error))
            }
            Ok(_) if connection.is_autocommit() => (Answer::Done(Err(CallError::Over(ended_by_handler()))), Ok(())),
            Ok(result) => (Answer::Done(result.map_err(CallError::Statement)), Ok(())),
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
        file
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Answer::Done(Err(CallError::Over(error))));
    }

    fn never_began(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Answer::NeverBegan(error));
    }
}
