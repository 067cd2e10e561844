//! The history of a delivery: what happened to it beside a success at the first attempt.

use std::fmt;

use super::{DeadCause, Settled};
use crate::clock::Timestamp;

/// The maximum number of entries for one delivery. Beyond it, the oldest is removed.
pub const MOST_ENTRIES: usize = 64;

/// Maximum length of an entry's text, in characters.
const LONGEST_TEXT: usize = 1_000;

/// The kind of an entry in the history of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HistoryKind {
    /// An attempt failed, and another follows. The text is the error.
    Failed,
    /// It was parked. The text is the reason.
    Parked,
    /// It became a dead letter. The entry has the cause, and the text is the error.
    Dead,
    /// A duplicate arrived.
    Duplicate,
    /// A duplicate requeued it.
    Requeued,
    /// An operator replayed it.
    Replayed,
    /// An operator resolved it. The text is the note.
    Resolved,
    /// An operator took back its resolution.
    Reopened,
    /// An operator saw its personal data. The text is the name of the operator.
    Revealed,
    /// A lease on it ended with neither a settlement nor a release, and it was claimed again.
    LeaseLost,
    /// An entry of a later version.
    Unknown = 255,
}

impl HistoryKind {
    /// All kinds, in the order of their stored numbers. The last one stands for every number that this version does not know.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Parked,
        Self::Dead,
        Self::Duplicate,
        Self::Requeued,
        Self::Replayed,
        Self::Resolved,
        Self::Reopened,
        Self::Revealed,
        Self::LeaseLost,
        Self::Unknown,
    ];

    /// Returns the number to store.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Returns the kind with this stored number.
    #[must_use]
    pub fn from_u8(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unknown)
    }

    /// Returns the kind in words: `lease lost`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Dead => "dead",
            Self::Duplicate => "duplicate",
            Self::Requeued => "requeued",
            Self::Replayed => "replayed",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Revealed => "revealed",
            Self::LeaseLost => "lease lost",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for HistoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An entry in the history of a delivery. Repetitions that follow each other are one entry.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The kind.
    pub kind: HistoryKind,
    /// The cause of a dead letter; `None` for other kinds, or if this version does not know the cause.
    pub cause: Option<DeadCause>,
    /// The first time.
    pub first_at: Timestamp,
    /// The last time.
    pub last_at: Timestamp,
    /// The number of times.
    pub times: u64,
    /// An error, a reason, a note or a name, at most 1 000 characters; `None` if there is none, or after it was pruned.
    pub text: Option<String>,
}

impl HistoryEntry {
    /// Creates an entry for what happened once.
    #[must_use]
    pub const fn new(kind: HistoryKind, at: Timestamp) -> Self {
        Self { kind, cause: None, first_at: at, last_at: at, times: 1, text: None }
    }

    /// Sets the text, cut after 1 000 characters.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.chars().take(LONGEST_TEXT).collect());
        self
    }

    /// Returns the entry for the end of a lease; `None` for a success, which is no entry, and for a release.
    #[must_use]
    pub fn of(outcome: &Settled, now: Timestamp) -> Option<Self> {
        Some(match outcome {
            Settled::Retry { error, .. } => Self::new(HistoryKind::Failed, now).text(error),
            Settled::Parked { reason, .. } => Self::new(HistoryKind::Parked, now).text(reason),
            Settled::Dead { cause, error } => Self { cause: Some(*cause), ..Self::new(HistoryKind::Dead, now).text(error) },
            Settled::Handled | Settled::Released => return None,
        })
    }

    /// Adds the entry to those of a delivery, as every store does: merges it with the last one if it repeats that, and removes the oldest
    /// beyond 64.
    pub fn add_to(self, entries: &mut Vec<Self>) {
        if let Some(last) = entries.last_mut()
            && (last.kind, last.cause, &last.text) == (self.kind, self.cause, &self.text)
        {
            last.last_at = last.last_at.max(self.last_at);
            last.times += 1;
            return;
        }
        entries.push(self);
        if entries.len() > MOST_ENTRIES {
            entries.remove(0);
        }
    }
}

impl fmt::Debug for HistoryEntry {
    /// Leaves out the text, which an operator may have written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryEntry")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .field("first_at", &self.first_at)
            .field("last_at", &self.last_at)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}
