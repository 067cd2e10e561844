//! The time limit from the head of a request to its reply.

use std::time::Duration;

use super::BuildError;
use crate::provider::Endpoint;

/// The default, for Wert, which waits 5 s.
pub(super) const DEFAULT: Duration = Duration::from_secs(4);

/// The share of the deadline that a body may take. The rest is for recording it.
const BODY_SHARE: f64 = 0.75;

/// Time for an acknowledgement to reach its provider.
const ON_THE_WAY: Duration = Duration::from_millis(100);

/// Checks that every provider still waits when the deadline ends.
pub(super) fn check(deadline: Duration, endpoints: &[Endpoint]) -> Result<(), BuildError> {
    let waits = endpoints.iter().map(|endpoint| endpoint.facts().answer_within).min().unwrap_or_default();
    let longest = waits.saturating_sub(ON_THE_WAY);
    if deadline.is_zero() || deadline > longest {
        return Err(BuildError::AckDeadline { deadline, longest });
    }
    Ok(())
}

/// Returns the time for a body to arrive.
pub(super) fn for_body(deadline: Duration) -> Duration {
    deadline.mul_f64(BODY_SHARE)
}
