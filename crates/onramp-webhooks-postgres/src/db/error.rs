//! Conversion of PostgreSQL's errors.

use std::{fmt, io};

use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::Error;

/// Returns a function that converts an error of the database. `context` names the failed action.
pub(crate) fn failed(context: &'static str) -> impl Fn(Error) -> StoreError {
    move |error| match remedy(&error) {
        Some(remedy) => StoreError::new(kind(&error), context).because(Explained { error, remedy }),
        None => StoreError::new(kind(&error), context).because(error),
    }
}

/// Returns the sentence that an operator needs, where the server's own message lacks it.
fn remedy(error: &Error) -> Option<&'static str> {
    match &*code(error) {
        _ if is_statement_mode(error) => Some(
            "the connection pooler is in statement mode, but the stores need transactions; set its pool_mode to transaction or session",
        ),
        "25006" => Some("the server is a read-only replica, or its transactions are read-only by default"),
        "42501" => Some("GRANT the rights that the README lists, or use a role that has them"),
        _ => None,
    }
}

/// An error with the remedy.
#[derive(Debug)]
struct Explained {
    error: Error,
    remedy: &'static str,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.error, self.remedy)
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::Database(_) if is_statement_mode(error) => StoreErrorKind::Unusable,
        Error::Database(_) => of_code(&code(error)),
        Error::PoolClosed => StoreErrorKind::Closed,
        Error::Configuration(_)
        | Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. } => StoreErrorKind::Unusable,
        _ => StoreErrorKind::Unavailable,
    }
}

/// Converts an error code of PostgreSQL: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_code(code: &str) -> StoreErrorKind {
    match code {
        "53100" => StoreErrorKind::Full,
        // A standby, a read-only database, or a role without the privilege to write.
        "25006" | "42501" => StoreErrorKind::ReadOnly,
        // A missing database, schema, table or column, or damaged data.
        "3D000" | "3F000" | "42P01" | "42703" | "XX001" | "XX002" => StoreErrorKind::Unusable,
        // A wrong password, or a role that does not exist or may not log in.
        "28P01" | "28000" => StoreErrorKind::Unusable,
        _ => StoreErrorKind::Unavailable,
    }
}

/// Returns the error code of PostgreSQL. It is empty if the error is not the server's.
pub(super) fn code(error: &Error) -> String {
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}

/// Returns whether a connection pooler refused a transaction because of its mode. Its error code is that of a lost connection.
fn is_statement_mode(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("statement pooling mode"))
}

/// Returns whether an immediate retry may succeed, because two transactions conflicted or a connection was lost.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Database(_) if is_statement_mode(error) => false,
        // A serialization failure, a deadlock, a server that stopped, or a connection that was closed.
        Error::Database(_) => {
            ["40001", "40P01", "57P01", "57P02"].contains(&&*code(error)) || code(error).starts_with("08") || is_taken_head(error)
        }
        Error::Io(error) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
        Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Returns whether the connection was lost while no statement ran on it.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Database(_) => ["57P01", "57P02", "57P05"].contains(&&*code(error)),
        Error::Io(error) => !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound),
        _ => false,
    }
}

/// Returns whether one delivery caused the failure of a statement, by its data or because another transaction holds its key, and not the
/// server or the disk.
pub(crate) fn is_of_one_delivery(error: &Error) -> bool {
    match error {
        // Invalid values, violated constraints, exceeded limits, and a lock that was not available in time.
        Error::Database(_) => ["22", "23", "54", "55P03"].iter().any(|class| code(error).starts_with(class)),
        Error::Encode(_) | Error::InvalidArgument(_) | Error::RowNotFound => true,
        _ => false,
    }
}

/// Returns whether another transaction made a delivery the head of the same order.
fn is_taken_head(error: &Error) -> bool {
    is_taken(error, &["deliveries_head"])
}

/// Returns whether the sequence gave an id that is taken.
pub(super) fn is_taken_id(error: &Error) -> bool {
    is_taken(error, &["deliveries_pkey", "bodies_pkey"])
}

fn is_taken(error: &Error, indexes: &[&str]) -> bool {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    code(error) == "23505" && constraint.is_some_and(|name| indexes.contains(&name))
}

/// Returns whether the server does not accept writes.
pub(super) fn is_read_only(error: &Error) -> bool {
    code(error) == "25006"
}

/// Returns whether the connection is inside a transaction that somebody else began: one that failed, or one of sqlx.
pub(super) fn is_unclean(error: &Error) -> bool {
    matches!(error, Error::InvalidSavePointStatement) || ["25P02", "25001"].contains(&&*code(error))
}

/// Returns whether the savepoint or the transaction does not exist.
pub(crate) fn is_no_savepoint(error: &Error) -> bool {
    ["3B001", "25P01"].contains(&&*code(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_do_something_about_has_its_kind() {
        for (code, kind) in [
            ("53100", StoreErrorKind::Full),
            ("25006", StoreErrorKind::ReadOnly),
            ("42501", StoreErrorKind::ReadOnly),
            ("42P01", StoreErrorKind::Unusable),
            ("3D000", StoreErrorKind::Unusable),
            ("28P01", StoreErrorKind::Unusable),
            ("28000", StoreErrorKind::Unusable),
            ("53300", StoreErrorKind::Unavailable),
            ("57P03", StoreErrorKind::Unavailable),
            ("", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(of_code(code), kind, "{code}");
        }
        assert_eq!(kind(&Error::PoolClosed), StoreErrorKind::Closed);
        assert_eq!(kind(&Error::PoolTimedOut), StoreErrorKind::Unavailable);
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        assert!(is_passing(&Error::Io(io::ErrorKind::UnexpectedEof.into())));
        assert!(!is_passing(&Error::Io(io::ErrorKind::ConnectionRefused.into())));
        assert!(!is_passing(&Error::PoolTimedOut));
    }
}
