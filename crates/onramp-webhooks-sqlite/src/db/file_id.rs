//! Which file a path leads to: SQLite goes on writing to a file that was deleted, and what it commits there is lost.

use std::path::Path;

/// The identity of the file behind a path; all are the same where the system has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(Option<(u64, u64)>);

impl FileId {
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino())))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_: &Path) -> Self {
        Self(None)
    }
}
