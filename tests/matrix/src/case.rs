//! The rows: the cases of the suite of adapters, and those that need a process for each site.

use onramp_webhooks_testkit::adapter;

use crate::column::Column;
use crate::connections::ConnectionCase;

/// A case.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    OfSuite(adapter::Case),
    OfConnections(ConnectionCase),
}

impl Case {
    /// Returns all cases.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        adapter::cases().map(Self::OfSuite).chain(ConnectionCase::ALL.map(Self::OfConnections))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OfSuite(case) => case.name(),
            Self::OfConnections(case) => case.name(),
        }
    }

    /// Returns whether the case waits for the time limits of a server.
    pub(crate) const fn mostly_waits(self) -> bool {
        matches!(self, Self::OfConnections(_))
    }

    /// Runs the case, and returns the responses.
    ///
    /// # Panics
    /// If the requirement is not met.
    pub(crate) async fn run(self, column: Column) -> Vec<String> {
        match self {
            Self::OfSuite(case) => {
                let setup = column.setup();
                case.run(&setup).await;
                setup.transcript().lines()
            }
            Self::OfConnections(case) => case.run(column).await,
        }
    }
}
