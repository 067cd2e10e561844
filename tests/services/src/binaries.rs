//! The installed programs of servers.

use std::path::{Path, PathBuf};

use crate::ServiceError;

/// Folders in addition to `PATH` that may contain a folder for each major version of PostgreSQL: Debian's, Fedora's, and Homebrew's.
const POSTGRES_VERSIONS: [&str; 4] = ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt"];

/// Other folders that may contain servers.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin"];

/// Returns the folder with `initdb` and `postgres`, which must have the same version.
pub(crate) fn postgres() -> Result<PathBuf, ServiceError> {
    let has_both = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    folders().chain(versions()).find(has_both).ok_or(ServiceError::NotInstalled("PostgreSQL"))
}

/// Returns the path of the program.
pub(crate) fn redis() -> Result<PathBuf, ServiceError> {
    let programs = folders().flat_map(|folder| ["redis-server", "valkey-server"].map(|name| folder.join(name)));
    programs.into_iter().find(|program| program.is_file()).ok_or(ServiceError::NotInstalled("Redis"))
}

/// Returns the path of the program.
pub(crate) fn pgbouncer() -> Result<PathBuf, ServiceError> {
    let mut programs = folders().map(|folder| folder.join("pgbouncer"));
    programs.find(|program| program.is_file()).ok_or(ServiceError::NotInstalled("PgBouncer"))
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    path.into_iter().chain(FOLDERS.map(PathBuf::from))
}

/// Returns the folders of versions, the newest first.
fn versions() -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for parent in POSTGRES_VERSIONS {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        found.extend(entries.filter_map(|entry| Some((major(&entry.path())?, entry.path().join("bin")))));
    }
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, folder)| folder)
}

/// Returns the version in a path: `17` for `/usr/lib/postgresql/17`, `/usr/pgsql-17` and `/opt/homebrew/opt/postgresql@17`.
fn major(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?;
    let version = ["postgresql@", "pgsql-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    version.unwrap_or(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_version() {
        assert_eq!(major(Path::new("/usr/lib/postgresql/17")), Some(17));
        assert_eq!(major(Path::new("/usr/pgsql-18")), Some(18));
        assert_eq!(major(Path::new("/opt/homebrew/opt/postgresql@9")), Some(9));
        assert_eq!(major(Path::new("/opt/homebrew/opt/redis")), None);
    }
}
