//! The identity of the open database files.
//!
//! SQLite keeps writing to files that were deleted or moved, so a commit could be acknowledged and then lost with its file. Another
//! process that opens the path would create a new log beside the old one, and the two would overwrite each other's pages.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use onramp_webhooks::{StoreError, StoreErrorKind};

/// The path of a database file, and the files that were there when it was opened: the database, its log, and the index of the log.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    path: PathBuf,
    opened: FileId,
    beside: [Beside; 2],
    /// Set after the content of the database was overwritten.
    is_overwritten: AtomicBool,
}

/// A file beside the database, which belongs to the connections that are open.
#[derive(Debug)]
struct Beside {
    path: PathBuf,
    opened: Mutex<Option<FileId>>,
}

impl FileIdentity {
    /// Remembers the file at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = std::fs::metadata(path);
        let opened = metadata.map_err(|error| StoreError::new(StoreErrorKind::Unusable, "open the database").because(error))?;
        Ok(Self {
            path: path.to_owned(),
            opened: id(&opened),
            beside: beside(path).map(Beside::unknown),
            is_overwritten: AtomicBool::new(false),
        })
    }

    /// Remembers the log and its index. A connection has to be open: it keeps both from being deleted by SQLite.
    pub(crate) fn remember_log(&self) -> Result<(), StoreError> {
        self.verify_database()?;
        self.beside.iter().try_for_each(Beside::remember)
    }

    /// Forgets the log, which SQLite deletes with its last connection.
    pub(crate) fn forget_log(&self) {
        self.beside.iter().for_each(|beside| *beside.opened() = None);
    }

    /// Checks that the paths still lead to the files that were opened. Returns the metadata of the database.
    pub(crate) fn verify(&self) -> Result<Metadata, StoreError> {
        let database = self.verify_database()?;
        self.beside.iter().try_for_each(Beside::verify)?;
        if self.is_overwritten.load(Ordering::Relaxed) { Err(self.overwritten()) } else { Ok(database) }
    }

    /// Lets all checks fail, because the content of the database was overwritten.
    pub(crate) fn reject(&self) -> StoreError {
        self.is_overwritten.store(true, Ordering::Relaxed);
        self.overwritten()
    }

    fn overwritten(&self) -> StoreError {
        gone(format!(
            "the database file at {} was overwritten while it was open; stop all processes that use it, restore it without the \
             files -wal and -shm beside it, and start them again",
            self.path.display()
        ))
    }

    /// Checks that the path still leads to the database that was opened.
    pub(crate) fn verify_database(&self) -> Result<Metadata, StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(database) if id(&database) == self.opened => Ok(database),
            _ => Err(gone(format!(
                "the database file at {} was moved or replaced while it was open; put it back or restart the process",
                self.path.display()
            ))),
        }
    }

    /// Returns whether the log that was opened is certain to be the only one, and to belong to the database. If not, another process may
    /// have begun a log of its own, and the index says nothing about the one that was opened.
    pub(crate) fn has_only_log(&self) -> bool {
        if self.is_overwritten.load(Ordering::Relaxed) {
            return false;
        }
        let [log, index] = &self.beside;
        let is_empty = std::fs::metadata(&log.path).map_or(true, |log| log.len() == 0);
        (is_empty || log.verify().is_ok()) && (current(&index.path).is_none() || index.verify().is_ok())
    }
}

impl Beside {
    const fn unknown(path: PathBuf) -> Self {
        Self { path, opened: Mutex::new(None) }
    }

    fn opened(&self) -> MutexGuard<'_, Option<FileId>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self) -> Result<(), StoreError> {
        let file = current(&self.path).ok_or_else(|| self.gone())?;
        *self.opened() = Some(file);
        Ok(())
    }

    fn verify(&self) -> Result<(), StoreError> {
        match *self.opened() {
            Some(opened) if current(&self.path) != Some(opened) => Err(self.gone()),
            _ => Ok(()),
        }
    }

    fn gone(&self) -> StoreError {
        gone(format!(
            "{} was deleted, moved or replaced while the database was open; put it back, or stop all processes that use the \
             database and start them again",
            self.path.display()
        ))
    }
}

/// Returns the paths of the log and of its index.
pub(crate) fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        beside.into()
    })
}

fn gone(why: String) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "use the database").because(why)
}

/// A device and a number on it.
type FileId = (u64, u64);

/// Returns the id of the file at `path`.
///
/// Linux gets no times here. After a look at the times of a file, the next write to it must show in them, and to sync that write to the
/// disk, the kernel also writes the file's metadata. So a look at the log before each commit would make every commit slower.
#[cfg(target_os = "linux")]
fn current(path: &Path) -> Option<FileId> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
    match statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
        Ok(file) => Some((makedev(file.stx_dev_major, file.stx_dev_minor), file.stx_ino)),
        // Kernels and sandboxes without this call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => std::fs::metadata(path).ok().as_ref().map(id),
        Err(_) => None,
    }
}

/// Returns the id of the file at `path`.
#[cfg(not(target_os = "linux"))]
fn current(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().as_ref().map(id)
}

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
