//! The disk space that an inbox takes, for operators.

use std::fmt;

const MIB: u64 = 1024 * 1024;

/// The disk space that an inbox takes, in bytes; see [`Inbox::space`](super::Inbox::space). It is shown in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Space {
    /// The bodies of deliveries. Pruning removes them.
    pub bodies: u64,
    /// Everything else: deliveries without their bodies, indexes, and in SQLite the tables of the application.
    pub other: u64,
    /// Pages that are free inside, which new deliveries use first; `None` if that is not known.
    pub unused: Option<u64>,
    /// The log of changes, if it is part of the inbox.
    pub log: Option<u64>,
}

impl Space {
    /// Creates the space of an inbox that has no log, and of which it is not known how much is unused.
    #[must_use]
    pub const fn new(bodies: u64, other: u64) -> Self {
        Self { bodies, other, unused: None, log: None }
    }

    /// Sets the size of the pages that are free inside.
    #[must_use]
    pub const fn unused(mut self, unused: u64) -> Self {
        self.unused = Some(unused);
        self
    }

    /// Sets the size of the log of changes.
    #[must_use]
    pub const fn log(mut self, log: u64) -> Self {
        self.log = Some(log);
        self
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bodies, other, unused, log } = self;
        write!(f, "bodies {} MiB, everything else {} MiB", bodies / MIB, other / MIB)?;
        for (name, bytes) in [("unused pages", unused), ("the log", log)] {
            if let Some(bytes) = bytes {
                write!(f, ", {name} {} MiB", bytes / MIB)?;
            }
        }
        Ok(())
    }
}
