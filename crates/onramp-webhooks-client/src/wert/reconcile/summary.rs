//! What a pass has seen and found.

use serde::{Deserialize, Serialize};

use super::Finding;

/// What a pass has seen and found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Summary {
    /// Orders of Wert's that were looked up in the inbox.
    pub orders: u64,
    /// Deliveries of completed orders that were looked up at Wert.
    pub deliveries: u64,
    /// Orders that changed too recently to miss their events.
    pub too_young: u64,
    /// Complete orders whose event was not received, repaired or not.
    pub missing: u64,
    /// Those of them for which there is a delivery now.
    pub repaired: u64,
    /// Orders received as complete that stand elsewhere at Wert.
    pub status_differs: u64,
    /// Orders of which nobody here knows where they stand.
    pub unclear: u64,
    /// Orders received as complete that Wert does not know.
    pub unknown_to_provider: u64,
    /// The first of what was found; the numbers above count all.
    pub findings: Vec<Finding>,
}

impl Summary {
    /// Whether nothing is left for a person to do.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.missing == self.repaired && self.status_differs == 0 && self.unclear == 0 && self.unknown_to_provider == 0
    }

    /// Counts a finding, and keeps it if no more than `most` are.
    pub(super) fn note(&mut self, finding: &Finding, most: usize) {
        match finding {
            Finding::Repaired { .. } => {
                self.missing += 1;
                self.repaired += 1;
            }
            Finding::Missing { .. } | Finding::Unrepairable { .. } => self.missing += 1,
            Finding::StatusDiffers { .. } => self.status_differs += 1,
            Finding::Unclear { .. } => self.unclear += 1,
            Finding::UnknownToProvider { .. } => self.unknown_to_provider += 1,
        }
        if self.findings.len() < most {
            self.findings.push(finding.clone());
        }
    }
}
