//! The lock of the process that moves deliveries, on a file next to the database. The operating system releases the lock when the process
//! ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use onramp_webhooks::spill::MovingLock;
use onramp_webhooks::{StoreError, StoreErrorKind};

/// The suffix of the locked file. The database itself cannot be locked: closing a second handle of it ends SQLite's own locks.
const SUFFIX: &str = "-moving";

/// Locks the file beside `database`. Returns `None` if another process holds the lock.
pub(super) async fn lock(database: &Path) -> Result<Option<MovingLock>, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(SUFFIX);
    let failed = |error: io::Error| StoreError::new(kind(&error), "lock the spill").because(error);
    let locking = tokio::task::spawn_blocking(move || -> io::Result<Option<File>> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    });
    let locked = locking.await.map_err(|error| failed(io::Error::other(error)))?;
    Ok(locked.map_err(failed)?.map(MovingLock::holding))
}

fn kind(error: &io::Error) -> StoreErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => StoreErrorKind::ReadOnly,
        _ => StoreErrorKind::Unavailable,
    }
}
