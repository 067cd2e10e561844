//! Transactions of handlers that share a commit.

use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::deferred::Deferred;
use super::error::{Failure, failed, is_of_the_statement};
use super::guard;
use super::session::{Ended, Reply, Session, Step};
use super::turns::Turns;

const COMMIT: &str = "commit a transaction";

const OPEN: &str = "SAVEPOINT onramp_transaction";
const RELEASE: &str = "RELEASE onramp_transaction";
const ROLL_BACK: &str = "ROLLBACK TO onramp_transaction; RELEASE onramp_transaction";

/// The time in which a transaction has to end so that another may follow it into the same commit.
const QUICK: Duration = Duration::from_millis(5);

/// A transaction of SQLite that contains the transactions of several handlers, one after another.
///
/// Each of them is a savepoint. One that fails is rolled back alone. The results of the others are sent after the commit of all of them
/// is on the disk; if that commit fails, all of them fail.
///
/// The group never waits for another transaction: it takes those that wait already. It takes no more after
/// - a transaction that was slow, so that the earlier ones are not delayed again,
/// - one that may leave a deferred constraint unresolved. The commit would fail for all. So this one is always the last, and its
///   savepoint stays open until the commit: if the commit fails on a constraint, the last one is rolled back, and the others are
///   committed. With deferred constraints in the schema, a group has one transaction.
/// - one that ran another statement than a query or a write to rows, because some pragmas last until the commit.
///
/// Statements that end the transaction are refused before they run. A constraint with `ON CONFLICT ROLLBACK`, or an error of the disk,
/// rolls back the whole group.
pub(super) struct Group<'c> {
    transaction: Transaction<'c>,
    /// Set if the schema may contain deferred constraints.
    may_defer: bool,
    members: Vec<Reply>,
    /// Set while the savepoint of the last member is open.
    last_is_open: bool,
    is_closed: bool,
    failure: Option<Failure>,
}

impl<'c> Group<'c> {
    pub(super) fn begin(connection: &'c mut Connection, turns: &mut Turns, deferred: &mut Deferred) -> rusqlite::Result<Self> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        turns.begin(&transaction)?;
        let may_defer = deferred.may_exist(&transaction)?;
        Ok(Self { transaction, may_defer, members: Vec::new(), last_is_open: false, is_closed: false, failure: None })
    }

    /// Returns whether another transaction may follow.
    pub(super) const fn is_open(&self) -> bool {
        !self.is_closed
    }

    /// Runs the transaction of a session. Returns whether it was quick.
    pub(super) fn run(&mut self, session: Session, first: Step) -> bool {
        if let Err(error) = self.open_savepoint() {
            let error = failed("begin a transaction")(error);
            session.refuse_to_begin(Some(first), &error);
            self.fail(Failure::File(error));
            return true;
        }
        let begun = Instant::now();
        let ended = session.run(&self.transaction, first);
        let is_quick = begun.elapsed() < QUICK;
        self.is_closed = self.may_defer || !is_quick || guard::outlasts();
        self.ended(ended);
        is_quick
    }

    fn open_savepoint(&mut self) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.last_is_open) {
            self.transaction.execute_batch(RELEASE)?;
        }
        self.transaction.execute_batch(OPEN)
    }

    fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Failed(error) => self.fail(Failure::File(error)),
            _ if self.transaction.is_autocommit() => self.fail(Failure::Statement(rolled_back_by_another())),
            Ended::Done(reply) => {
                self.members.push(reply);
                self.last_is_open = true;
            }
            Ended::NothingHappened => {
                if let Err(error) = self.transaction.execute_batch(ROLL_BACK) {
                    self.fail(Failure::File(failed("roll back a transaction")(error)));
                }
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.is_closed = true;
    }

    /// Commits, and returns the senders of the results that depend on it.
    pub(super) fn commit(mut self) -> (Vec<Reply>, Result<(), Failure>) {
        let failure = std::mem::take(&mut self.failure);
        let committed = failure.map_or_else(|| self.commit_without_the_culprit(), Err);
        (self.members, committed)
    }

    fn commit_without_the_culprit(&mut self) -> Result<(), Failure> {
        while !self.members.is_empty() {
            match self.transaction.execute_batch("COMMIT") {
                Ok(()) => break,
                Err(error) if self.last_is_open && is_of_the_statement(&error) => self.undo_last(failed(COMMIT)(error))?,
                Err(error) => return Err(Failure::File(failed(COMMIT)(error))),
            }
        }
        Ok(())
    }

    /// Rolls back the last member, whose constraint is unresolved.
    fn undo_last(&mut self, error: StoreError) -> Result<(), Failure> {
        self.last_is_open = false;
        self.transaction.execute_batch(ROLL_BACK).map_err(|error| Failure::File(failed(COMMIT)(error)))?;
        if let Some(last) = self.members.pop() {
            // The caller may be gone.
            let _ = last.send(Err(error));
        }
        Ok(())
    }
}

fn rolled_back_by_another() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, COMMIT).because("a statement of another handler rolled it back")
}
