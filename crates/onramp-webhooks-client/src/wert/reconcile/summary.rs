//! The results of a run.

use serde::{Deserialize, Serialize};

use super::Finding;

/// The results of a [`ReconcileRun`](super::ReconcileRun) so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Summary {
    /// The number of Wert's orders that were looked up in the inbox.
    pub orders: u64,
    /// The number of delivered orders that were looked up at Wert.
    pub deliveries: u64,
    /// The number of orders that were skipped because they were created or changed too recently.
    pub too_recent: u64,
    /// The number of complete orders whose event was not received, and of those that were repaired after a check had refused their event.
    pub missing: u64,
    /// The number of these that were repaired.
    pub repaired: u64,
    /// The number of complete orders whose event was received and not handled, and waits for no worker.
    pub not_handled: u64,
    /// The number of complete orders whose event was received with other values than Wert has.
    pub differs: u64,
    /// The number of orders received as complete that have another status at Wert.
    pub status_differs: u64,
    /// The number of orders whose status is missing or unknown, or about which Wert fails to answer.
    pub unclear: u64,
    /// The number of orders received as complete that Wert does not know.
    pub unknown_to_provider: u64,
    /// The first findings, up to a limit. The numbers above count all.
    pub findings: Vec<Finding>,
}

impl Summary {
    /// Returns `true` if there are no findings, or all of them were repaired.
    #[must_use]
    pub const fn is_resolved(&self) -> bool {
        self.open() == 0
    }

    /// Returns the number of findings that an operator has to look at.
    #[must_use]
    pub const fn open(&self) -> u64 {
        self.missing.saturating_sub(self.repaired)
            + self.not_handled
            + self.differs
            + self.status_differs
            + self.unclear
            + self.unknown_to_provider
    }

    /// Counts a finding, and keeps it if there are fewer than `max`.
    pub(super) fn add(&mut self, finding: &Finding, max: usize) {
        match finding {
            Finding::Repaired { .. } => {
                self.missing += 1;
                self.repaired += 1;
            }
            Finding::Missing { .. } | Finding::Unrepairable { .. } => self.missing += 1,
            Finding::NotHandled { .. } => self.not_handled += 1,
            Finding::Differs { .. } => self.differs += 1,
            Finding::StatusDiffers { .. } => self.status_differs += 1,
            Finding::Unclear { .. } => self.unclear += 1,
            Finding::UnknownToProvider { .. } => self.unknown_to_provider += 1,
        }
        if self.findings.len() < max {
            self.findings.push(finding.clone());
        }
    }
}
