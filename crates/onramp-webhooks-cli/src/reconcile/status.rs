//! The exit code of a reconciliation.

use onramp_webhooks_client::wert::Summary;

use crate::exit::ExitStatus;

const MISSING: u8 = 3;
const NOT_HANDLED: u8 = 4;
const DIFFERS: u8 = 5;
const UNCLEAR: u8 = 6;
const UNKNOWN_TO_PROVIDER: u8 = 7;
const OF_SEVERAL_KINDS: u8 = 8;

/// Returns the result of a reconciliation, which depends on the kinds of its open findings.
pub(super) fn of(summary: &Summary) -> ExitStatus {
    let kinds = [
        (MISSING, summary.missing.saturating_sub(summary.repaired)),
        (NOT_HANDLED, summary.not_handled),
        (DIFFERS, summary.differs.saturating_add(summary.status_differs)),
        (UNCLEAR, summary.unclear),
        (UNKNOWN_TO_PROVIDER, summary.unknown_to_provider),
    ];
    let mut open = kinds.into_iter().filter(|(_, count)| *count > 0).map(|(code, _)| code);
    match (open.next(), open.next()) {
        (None, _) => ExitStatus::Success,
        (Some(code), None) => ExitStatus::Reconciled(code),
        (Some(_), Some(_)) => ExitStatus::Reconciled(OF_SEVERAL_KINDS),
    }
}
