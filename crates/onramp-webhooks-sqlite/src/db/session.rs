//! Interactive transactions on the writing thread, which run one step at a time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::error::{failed, is_of_the_statement};
use super::file_id::FileIdentity;

/// The number of SQLite virtual machine instructions between two checks of the deadline.
const STEPS: i32 = 1_000;

/// A requested transaction and its steps. The first step is queued before the session starts.
pub(crate) struct Session {
    pub(crate) steps: Receiver<Step>,
    /// The time that the transaction may stay open.
    pub(crate) limit: Duration,
    /// The span of the caller, which names the delivery.
    pub(crate) span: tracing::Span,
}

/// A step of a transaction.
pub(crate) enum Step {
    Call(Box<dyn Call>),
    Commit(Commit),
    RollBack { reply: oneshot::Sender<Result<(), StoreError>> },
}

/// The last statements of a transaction. It is rolled back if they return `false`.
type Last = Box<dyn FnOnce(&Connection) -> rusqlite::Result<bool> + Send>;

/// The last step of a transaction that is to be committed.
pub(crate) struct Commit {
    pub(crate) last: Last,
    pub(crate) reply: oneshot::Sender<Result<bool, StoreError>>,
}

/// A closure with statements of the application.
pub(crate) trait Call: Send {
    /// Runs the statements. Returns an error only if the file, the disk or another process failed.
    fn run(self: Box<Self>, connection: &Connection) -> Result<(), StoreError>;
    /// Replies that the transaction has ended.
    fn refuse(self: Box<Self>, error: StoreError);
    /// Replies that no transaction could be opened.
    fn never_began(self: Box<Self>, error: StoreError);
}

/// The state of the file after a session.
pub(crate) enum Ended {
    Committed,
    NothingHappened,
    /// The call had no effect, and the connection has to be replaced.
    Failed,
}

impl Session {
    pub(crate) fn run(self, connection: &mut Connection, file: &FileIdentity) -> Ended {
        // The caller may be gone.
        let Ok(first) = self.steps.try_recv() else { return Ended::NothingHappened };
        // SQLite interrupts a slow statement at the deadline, because other calls wait for the thread.
        let deadline = Arc::new(OnceLock::new());
        let watched = Arc::clone(&deadline);
        let is_over = move || watched.get().is_some_and(|deadline| Instant::now() >= *deadline);
        let ended = match connection.progress_handler(STEPS, Some(is_over)).and_then(|()| begin(connection)) {
            Ok(transaction) => {
                let limit = *deadline.get_or_init(|| Instant::now() + self.limit);
                self.serve(transaction, file, first, limit)
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

    fn serve(self, transaction: Transaction<'_>, file: &FileIdentity, first: Step, deadline: Instant) -> Ended {
        let mut step = first;
        loop {
            match step {
                Step::Call(call) if transaction.is_autocommit() => call.refuse(ended_by_work()),
                Step::Call(call) => {
                    if let Err(error) = call.run(&transaction) {
                        self.refuse(None, &error);
                        return Ended::Failed;
                    }
                }
                Step::Commit(commit) => return commit.run(transaction, file),
                Step::RollBack { reply } => {
                    roll_back(transaction, reply);
                    return Ended::NothingHappened;
                }
            }
            let Some(next) = self.next(deadline) else { return Ended::NothingHappened };
            step = next;
        }
    }

    /// Waits for the next step until the deadline. A late step is refused, but a late rollback still gets its reply.
    fn next(&self, deadline: Instant) -> Option<Step> {
        match self.steps.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(late) if Instant::now() >= deadline && !matches!(late, Step::RollBack { .. }) => {
                self.refuse(Some(late), &rolled_back());
                None
            }
            Ok(step) => Some(step),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let cut_off = "rolled back a transaction that was open for too long: SqliteOptions::longest_transaction, or a faster handler";
                self.span.in_scope(|| tracing::warn!(limit = ?self.limit, "{cut_off}"));
                None
            }
        }
    }

    /// Replies to all steps that no transaction could be opened.
    pub(crate) fn refuse_to_begin(&self, first: Option<Step>, error: &StoreError) {
        for step in first.into_iter().chain(self.steps.try_iter()) {
            match step {
                Step::Call(call) => call.never_began(error.clone()),
                step => step.refuse(error.clone()),
            }
        }
    }

    /// Replies to all steps with an error.
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
            Self::Commit(commit) => drop(commit.reply.send(Err(error))),
            Self::RollBack { reply } => drop(reply.send(Err(error))),
        }
    }
}

/// Begins a transaction with a savepoint. The savepoint ends with its transaction, so it identifies the transaction later.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch("SAVEPOINT onramp_transaction")?;
    Ok(transaction)
}

fn is_ours(transaction: &Transaction<'_>) -> bool {
    !transaction.is_autocommit() && transaction.execute_batch("RELEASE onramp_transaction").is_ok()
}

fn roll_back(transaction: Transaction<'_>, reply: oneshot::Sender<Result<(), StoreError>>) {
    let ours = if is_ours(&transaction) { Ok(()) } else { Err(ended_by_work()) };
    drop(transaction);
    // The caller may be gone.
    let _ = reply.send(ours);
}

impl Commit {
    fn run(self, transaction: Transaction<'_>, file: &FileIdentity) -> Ended {
        let Self { last, reply } = self;
        let (result, ended) = commit(transaction, file, last);
        // The caller may be gone, which does not undo the commit.
        let _ = reply.send(result);
        ended
    }
}

fn commit(transaction: Transaction<'_>, file: &FileIdentity, last: Last) -> (Result<bool, StoreError>, Ended) {
    if !is_ours(&transaction) {
        return (Err(ended_by_work()), Ended::NothingHappened);
    }
    let committed = match last(&transaction) {
        Ok(true) => transaction.commit().map(|()| true),
        unchanged => unchanged,
    };
    match committed {
        Ok(true) => (file.verify().map(|_| true), Ended::Committed),
        Ok(false) => (Ok(false), Ended::NothingHappened),
        Err(error) => {
            // A deferred constraint of the application fails only at the commit.
            let ended = if is_of_the_statement(&error) { Ended::NothingHappened } else { Ended::Failed };
            (Err(failed("commit a transaction")(error)), ended)
        }
    }
}

/// Returns the error for a transaction that is over.
pub(crate) fn rolled_back() -> StoreError {
    let why = "it was rolled back after an error, or because it was open longer than SqliteOptions::longest_transaction or \
        WorkerBuilder::attempt_timeout allows";
    StoreError::new(StoreErrorKind::Unavailable, "use a transaction").because(why)
}

/// Returns the error for a closure that ended the transaction with its own statement.
pub(crate) fn ended_by_work() -> StoreError {
    let why = "a closure ended the transaction with COMMIT or ROLLBACK, which it must not do";
    StoreError::new(StoreErrorKind::Refused, "use a transaction").because(why)
}
