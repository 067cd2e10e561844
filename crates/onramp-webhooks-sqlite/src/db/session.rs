//! Interactive transactions on the writing thread, which run one step at a time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{failed, is_of_the_statement};
use super::guard::{self, has_ended};

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

/// The sender of the result of a commit.
pub(super) type Reply = oneshot::Sender<Result<bool, StoreError>>;

/// The last statements of a transaction. It is rolled back if they return `false`.
type Last = Box<dyn FnOnce(&Connection) -> rusqlite::Result<bool> + Send>;

/// The last step of a transaction that is to be committed.
pub(crate) struct Commit {
    pub(crate) last: Last,
    pub(crate) reply: Reply,
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

/// The end of a session.
pub(super) enum Ended {
    /// The transaction waits for the commit, whose result is to be sent.
    Done(Reply),
    /// The transaction has to be rolled back.
    NothingHappened,
    /// The file, the disk or another process failed, and the connection has to be replaced.
    Failed(StoreError),
}

impl Session {
    /// Returns the first step. `None` if the caller is gone.
    pub(super) fn first(&self) -> Option<Step> {
        self.steps.try_recv().ok()
    }

    /// Runs the steps in the open savepoint of `connection`. SQLite interrupts a slow statement at the deadline, because other calls
    /// wait for the thread.
    pub(super) fn run(self, connection: &Connection, first: Step) -> Ended {
        let deadline = Instant::now() + self.limit;
        guard::begin(deadline);
        let ended = self.serve(connection, first, deadline);
        guard::end();
        ended
    }

    fn serve(self, connection: &Connection, first: Step, deadline: Instant) -> Ended {
        let mut step = first;
        loop {
            match step {
                Step::Call(call) if has_ended(connection) => call.refuse(ended_by_work()),
                Step::Call(call) => {
                    if let Err(error) = guard::watching(|| call.run(connection)) {
                        self.refuse(None, &error);
                        return Ended::Failed(error);
                    }
                }
                Step::Commit(commit) => return commit.run(connection),
                Step::RollBack { reply } => {
                    roll_back(connection, reply);
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

fn roll_back(connection: &Connection, reply: oneshot::Sender<Result<(), StoreError>>) {
    let ours = if has_ended(connection) { Err(ended_by_work()) } else { Ok(()) };
    // The caller may be gone.
    let _ = reply.send(ours);
}

impl Commit {
    fn run(self, connection: &Connection) -> Ended {
        // To interrupt a statement of the inbox would roll back other transactions, too.
        guard::end();
        let Self { last, reply } = self;
        if has_ended(connection) {
            return undone(reply, Err(ended_by_work()));
        }
        match last(connection) {
            Ok(true) => Ended::Done(reply),
            Ok(false) => undone(reply, Ok(false)),
            Err(error) => {
                let of_the_statement = is_of_the_statement(&error);
                let error = failed("commit a transaction")(error);
                let ended = undone(reply, Err(error.clone()));
                if of_the_statement { ended } else { Ended::Failed(error) }
            }
        }
    }
}

fn undone(reply: Reply, result: Result<bool, StoreError>) -> Ended {
    // The caller may be gone.
    let _ = reply.send(result);
    Ended::NothingHappened
}

/// Returns the error for a transaction that is over.
pub(crate) fn rolled_back() -> StoreError {
    let why = "it was rolled back after an error, or because it was open longer than SqliteOptions::longest_transaction or \
        WorkerBuilder::attempt_timeout allows";
    StoreError::new(StoreErrorKind::Unavailable, "use a transaction").because(why)
}

/// Returns the error for a closure that ended the transaction with its own statement.
pub(crate) fn ended_by_work() -> StoreError {
    let why = "a closure ended the transaction with COMMIT or ROLLBACK, or tried to, which it must not do";
    StoreError::new(StoreErrorKind::Refused, "use a transaction").because(why)
}
