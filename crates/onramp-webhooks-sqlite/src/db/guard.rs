//! Limits on the statements of the application: time, and the transaction that contains them.

use std::cell::Cell;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

/// The savepoint around the transaction of a handler.
const SAVEPOINT: &str = "onramp_transaction";

/// The number of SQLite virtual machine instructions between two checks of the deadline.
const STEPS: i32 = 1_000;

thread_local! {
    /// The time at which SQLite interrupts a statement of this thread.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Set while statements of the application run.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// Set after a statement that would end the transaction. It was refused.
    static ENDED: Cell<bool> = const { Cell::new(false) };
    /// Set after a statement that may have an effect on later transactions of the group.
    static OUTLASTS: Cell<bool> = const { Cell::new(false) };
}

/// Installs the checks on a connection of this thread. It is done once, because SQLite prepares all statements again afterwards.
pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.progress_handler(STEPS, Some(is_over))?;
    connection.authorizer(Some(authorize as fn(AuthContext<'_>) -> Authorization))
}

/// Begins the time of a transaction.
pub(super) fn begin(deadline: Instant) {
    DEADLINE.set(Some(deadline));
    ENDED.set(false);
    OUTLASTS.set(false);
}

/// Ends the time of a transaction.
pub(super) fn end() {
    DEADLINE.set(None);
}

/// Runs statements of the application.
pub(super) fn watching<T>(work: impl FnOnce() -> T) -> T {
    WATCHED.set(true);
    let result = work();
    WATCHED.set(false);
    result
}

/// Returns whether the application has ended its transaction, or tried to.
pub(crate) fn has_ended(connection: &Connection) -> bool {
    ENDED.get() || connection.is_autocommit()
}

/// Returns whether the application ran a statement, such as a pragma, that may have an effect on later transactions of the group.
pub(super) fn outlasts() -> bool {
    OUTLASTS.get()
}

fn is_over() -> bool {
    DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline)
}

/// Decides about one action of a statement that is being prepared.
fn authorize(context: AuthContext<'_>) -> Authorization {
    if !WATCHED.get() {
        return Authorization::Allow;
    }
    match context.action {
        AuthAction::Read { .. }
        | AuthAction::Select
        | AuthAction::Recursive
        | AuthAction::Function { .. }
        | AuthAction::Insert { .. }
        | AuthAction::Update { .. }
        | AuthAction::Delete { .. }
        // SQLite itself refuses a transaction in a transaction.
        | AuthAction::Transaction { operation: TransactionOperation::Begin } => Authorization::Allow,
        AuthAction::Savepoint { savepoint_name, .. } if !savepoint_name.eq_ignore_ascii_case(SAVEPOINT) => Authorization::Allow,
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            ENDED.set(true);
            Authorization::Deny
        }
        _ => {
            OUTLASTS.set(true);
            Authorization::Allow
        }
    }
}
