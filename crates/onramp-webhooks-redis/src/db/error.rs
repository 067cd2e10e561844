//! Conversion of Redis's errors.

use onramp_webhooks::{StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Returns a function that converts an error of Redis. `context` names the failed action.
pub(crate) fn failed(context: &'static str) -> impl Fn(RedisError) -> StoreError {
    move |error| StoreError::new(kind(&error), context).because(error)
}

fn kind(error: &RedisError) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::ReadOnly) => StoreErrorKind::ReadOnly,
        ErrorKind::Server(ServerErrorKind::ResponseError) => of_script(error.detail().unwrap_or_default()),
        ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot)
        | ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::Parse
        | ErrorKind::UnexpectedReturnType => StoreErrorKind::Unusable,
        ErrorKind::Extension => of_code(error.code().unwrap_or_default()),
        _ => StoreErrorKind::Unavailable,
    }
}

/// Converts an error code, which is the first word of Redis's error reply.
fn of_code(code: &str) -> StoreErrorKind {
    match code {
        "OOM" => StoreErrorKind::Full,
        // The server failed to write its own files, and rejects all writes until it succeeds.
        "MISCONF" => StoreErrorKind::ReadOnly,
        "NOAUTH" | "WRONGPASS" | "WRONGTYPE" => StoreErrorKind::Unusable,
        _ => StoreErrorKind::Unavailable,
    }
}

/// Converts the error of a script. Before Redis 7 it contains the error code of the failed command in its middle.
fn of_script(detail: &str) -> StoreErrorKind {
    let named = ["OOM", "MISCONF"].into_iter().find(|code| detail.contains(&format!("-{code} ")));
    match named {
        Some(code) => of_code(code),
        None if detail.contains("-READONLY ") => StoreErrorKind::ReadOnly,
        None => StoreErrorKind::Unusable,
    }
}

/// Returns whether the connection was lost and another one can replace it. The command may have run.
pub(crate) fn is_passing(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_connection_refusal()
}

/// Returns whether the server is a replica, which rejects writes.
pub(crate) fn is_of_a_replica(error: &RedisError) -> bool {
    kind(error) == StoreErrorKind::ReadOnly && error.code() != Some("MISCONF")
}

/// Returns whether the server does not have the script.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Returns whether the user has no permission for the command.
pub(crate) fn is_not_allowed(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError))
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::make_extension_error;

    use super::*;

    #[test]
    fn what_an_operator_can_do_something_about_has_its_kind() {
        for (code, expected) in [
            ("OOM", StoreErrorKind::Full),
            ("MISCONF", StoreErrorKind::ReadOnly),
            ("NOAUTH", StoreErrorKind::Unusable),
            ("WRONGTYPE", StoreErrorKind::Unusable),
            ("NOREPLICAS", StoreErrorKind::Unavailable),
            ("BUSY", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(kind(&make_extension_error(code.into(), None)), expected, "{code}");
        }
        for (detail, expected) in [
            ("Error running script: @user_script:14: -OOM command not allowed when used memory", StoreErrorKind::Full),
            ("Error running script: @user_script:14: -READONLY You can't write", StoreErrorKind::ReadOnly),
            ("unknown command 'EVALSHA'", StoreErrorKind::Unusable),
        ] {
            assert_eq!(of_script(detail), expected, "{detail}");
        }
        assert_eq!(kind(&io::Error::from(io::ErrorKind::TimedOut).into()), StoreErrorKind::Unavailable);
    }

    #[test]
    fn only_a_lost_connection_is_tried_again() {
        let passes = |kind: io::ErrorKind| is_passing(&io::Error::from(kind).into());
        assert!(passes(io::ErrorKind::BrokenPipe) && passes(io::ErrorKind::ConnectionReset));
        assert!(!passes(io::ErrorKind::ConnectionRefused) && !passes(io::ErrorKind::TimedOut));
    }
}
