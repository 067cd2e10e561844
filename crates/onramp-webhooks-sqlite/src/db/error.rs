//! Conversion of SQLite's errors.

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

/// Returns a function that converts an error of SQLite. `context` names the failed action.
pub(crate) fn failed(context: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| StoreError::new(kind(&error), context).because(error)
}

fn kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreErrorKind::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreErrorKind::ReadOnly,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreErrorKind::Unusable,
        _ => StoreErrorKind::Unavailable,
    }
}

/// The cause of a failed transaction.
pub(super) enum Failure {
    /// The data of one call or handler. The others can succeed without it.
    Statement(StoreError),
    /// The file, the disk or another process.
    File(StoreError),
}

/// Returns whether one statement's own data caused the failure, and not the file, the disk or another process.
pub(crate) fn is_of_the_statement(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        None | Some(
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig | ErrorCode::ParameterOutOfRange
        )
    )
}
