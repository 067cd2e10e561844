//! The writing thread's side of a handler's transaction: it runs the handler's steps one after another, until it is told to end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{Lease, Settled, Settlement};
use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::{failed, is_of_the_statement};
use crate::settle::settle;

/// How many of SQLite's own steps are taken between two looks at the time.
const STEPS: i32 = 1_000;

/// A transaction that somebody asks for, with the steps that are to be taken in it. The first is there from the beginning.
pub(crate) struct Session {
    pub(crate) steps: Receiver<Step>,
    /// How long it may keep the thread.
    pub(crate) limit: Duration,
}

/// What a handler, or its worker, wants next.
pub(crate) enum Step {
    Call(Box<dyn Call>),
    Complete { now: Timestamp, lease: Lease, reply: oneshot::Sender<Result<bool, StoreError>> },
    RollBack { reply: oneshot::Sender<Result<(), StoreError>> },
}

/// A handler's own statements.
pub(crate) trait Call: Send {
    /// Runs them, and answers what of their failure concerns the file, the disk or another process.
    fn run(self: Box<Self>, connection: &Connection) -> Result<(), StoreError>;
    fn refuse(self: Box<Self>, error: StoreError);
    /// No transaction could be opened for them.
    fn never_began(self: Box<Self>, error: StoreError);
}

/// How a session left the file.
pub(crate) enum Ended {
    Committed,
    NothingHappened,
    /// Nothing happened, and only a new connection knows what is on the disk.
    Failed,
}

impl Session {
    pub(crate) fn run(self, connection: &mut Connection) -> Ended {
        // Whoever asked may have gone before its turn came.
        let Ok(first) = self.steps.try_recv() else { return Ended::NothingHappened };
        // A statement that is slow is ended at the limit; the thread has others to serve.
        let deadline = Arc::new(OnceLock::new());
        let watched = Arc::clone(&deadline);
        let is_over = move || watched.get().is_some_and(|deadline| Instant::now() >= *deadline);
        let ended = match connection.progress_handler(STEPS, Some(is_over)).and_then(|()| begin(connection)) {
            Ok(transaction) => {
                let limit = *deadline.get_or_init(|| Instant::now() + self.limit);
                self.serve(transaction, first, limit)
            }
            Err(error) => {
                self.refuse_to_begin(Some(first), &failed("begin a transaction")(error));
                Ended::NothingHappened
            }
        };
        match connection.progress_handler(0, None::<fn() -> bool>) {
            Ok(()) => ended,
            Err(_) => Ended::Failed,
        }
    }

    fn serve(self, transaction: Transaction<'_>, first: Step, deadline: Instant) -> Ended {
        let mut step = first;
        loop {
            match step {
                Step::Call(call) if transaction.is_autocommit() => call.refuse(ended_by_handler()),
                Step::Call(call) => {
                    if let Err(error) = call.run(&transaction) {
                        self.refuse(None, &error);
                        return Ended::Failed;
                    }
                }
                Step::Complete { now, lease, reply } => return complete(transaction, now, lease, reply),
                Step::RollBack { reply } => {
                    let ours = if is_ours(&transaction) { Ok(()) } else { Err(ended_by_handler()) };
                    // It is rolled back by being dropped; whoever asked may have gone.
                    drop(transaction);
                    let _ = reply.send(ours);
                    return Ended::NothingHappened;
                }
            }
            step = match self.steps.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                // What comes too late is not begun; but whoever rolls back is told whether there was something to roll back.
                Ok(late) if Instant::now() >= deadline && !matches!(late, Step::RollBack { .. }) => {
                    self.refuse(Some(late), &too_long());
                    return Ended::NothingHappened;
                }
                Ok(step) => step,
                Err(RecvTimeoutError::Disconnected) => return Ended::NothingHappened,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!(limit = ?self.limit, "a handler kept its transaction open for too long; rolled back");
                    return Ended::NothingHappened;
                }
            };
        }
    }

    /// No transaction can be opened for those who ask.
    pub(crate) fn refuse_to_begin(&self, first: Option<Step>, error: &StoreError) {
        for step in first.into_iter().chain(self.steps.try_iter()) {
            match step {
                Step::Call(call) => call.never_began(error.clone()),
                step => step.refuse(error.clone()),
            }
        }
    }

    /// Nothing can be done for those who ask.
    fn refuse(&self, first: Option<Step>, error: &StoreError) {
        for step in first.into_iter().chain(self.steps.try_iter()) {
            step.refuse(error.clone());
        }
    }
}

impl Step {
    fn refuse(self, error: StoreError) {
        match self {
            Self::Call(call) => call.refuse(error),
            Self::Complete { reply, .. } => drop(reply.send(Err(error))),
            Self::RollBack { reply } => drop(reply.send(Err(error))),
        }
    }
}

/// A savepoint goes with its transaction, so its name tells whether the transaction still is the one that was begun.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch("SAVEPOINT onramp_transaction")?;
    Ok(transaction)
}

fn is_ours(transaction: &Transaction<'_>) -> bool {
    !transaction.is_autocommit() && transaction.execute_batch("RELEASE onramp_transaction").is_ok()
}

/// Whoever is told may have gone; what was committed stays.
fn complete(
    transaction: Transaction<'_>,
    now: Timestamp,
    lease: Lease,
    reply: oneshot::Sender<Result<bool, StoreError>>,
) -> Ended {
    if !is_ours(&transaction) {
        let _ = reply.send(Err(ended_by_handler()));
        return Ended::NothingHappened;
    }
    let handled = Settlement::new(lease, Settled::Handled);
    let completed = match settle(&transaction, now, &[handled]) {
        Ok(lost) if lost.is_empty() => transaction.commit().map(|()| true),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    let ended = match &completed {
        Ok(true) => Ended::Committed,
        Ok(false) => Ended::NothingHappened,
        // As a deferred constraint of the handler's.
        Err(error) if is_of_the_statement(error) => Ended::NothingHappened,
        Err(_) => Ended::Failed,
    };
    let _ = reply.send(completed.map_err(failed("complete a delivery")));
    ended
}

fn too_long() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "use a transaction").because("it was open for too long, and rolled back")
}

pub(crate) fn ended_by_handler() -> StoreError {
    let why = "the handler ended the transaction, which is the worker's to end";
    StoreError::new(StoreErrorKind::Refused, "use a transaction").because(why)
}
