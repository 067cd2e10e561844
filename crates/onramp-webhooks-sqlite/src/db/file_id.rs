//! The identity of the open database file.
//!
//! SQLite keeps writing to a file that was deleted or moved, so a commit could be acknowledged and then lost with that file.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use onramp_webhooks::{StoreError, StoreErrorKind};

/// The path of a database file, and the file that was there when it was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    path: PathBuf,
    opened: FileId,
}

impl FileIdentity {
    /// Remembers the file at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = std::fs::metadata(path);
        let opened = metadata.map_err(|error| StoreError::new(StoreErrorKind::Unusable, "open the database").because(error))?;
        Ok(Self { path: path.to_owned(), opened: id(&opened) })
    }

    /// Checks that the path still leads to the file that was opened.
    pub(crate) fn verify(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(file) if id(&file) == self.opened => Ok(()),
            _ => Err(StoreError::new(StoreErrorKind::Unavailable, "use the database").because(format!(
                "the database file at {} was moved or replaced while it was open; put it back or restart the process",
                self.path.display()
            ))),
        }
    }
}

/// A device and a number on it.
type FileId = (u64, u64);

#[cfg(unix)]
fn id(file: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

/// Returns the same id for all files. Windows does not let an open database be moved or deleted.
#[cfg(not(unix))]
fn id(_: &Metadata) -> FileId {
    (0, 0)
}
