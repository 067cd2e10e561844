//! SQLite's errors as the inbox's.

use onramp_webhooks::inbox::{InboxError, InboxErrorKind};
use rusqlite::ErrorCode;

/// Turns an error of SQLite into the inbox's, with what was being done.
pub(crate) fn failed(context: &'static str) -> impl Fn(rusqlite::Error) -> InboxError {
    move |error| InboxError::new(kind(&error), context).because(error)
}

fn kind(error: &rusqlite::Error) -> InboxErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => InboxErrorKind::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => InboxErrorKind::ReadOnly,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => InboxErrorKind::Unusable,
        _ => InboxErrorKind::Unavailable,
    }
}

/// Whether the failure lies in one statement's own data, and not in the file, the disk or another process.
pub(crate) fn is_of_the_statement(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        None | Some(
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig | ErrorCode::ParameterOutOfRange
        )
    )
}
