//! Permissions of the files, which hold personal data.

use std::path::Path;

/// Makes the database and the files beside it accessible to their owner only. SQLite gives new files beside the database its permissions.
#[cfg(unix)]
pub(super) fn restrict(database: &Path) {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::file_id::beside;

    const OWNER: u32 = 0o600;
    for file in beside(database).iter().map(std::path::PathBuf::as_path).chain([database]) {
        let Ok(found) = metadata(file) else { continue };
        if found.permissions().mode() & 0o777 == OWNER {
            continue;
        }
        if let Err(error) = set_permissions(file, Permissions::from_mode(OWNER)) {
            tracing::warn!(%error, file = %file.display(), "other users may read this file: its permissions cannot be changed");
        }
    }
}

/// Changes nothing: on Windows, a file inherits the access rules of its folder.
#[cfg(not(unix))]
pub(super) fn restrict(_: &Path) {}
