//! The receivers that `listen` runs on this machine: a private file for each, by which `trigger` finds them.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// The name of the folder. In the folder for temporary files, the user's number follows.
const FOLDER: &str = "onramp-webhooks";

/// Timeout of a connection to a receiver on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1_024;

/// A running receiver. The addresses contain secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// The address at which this machine reaches it.
    pub(crate) address: SocketAddr,
    /// The address of the endpoint `wert`.
    pub(crate) wert: String,
    /// The address of the endpoint `kriptomat`.
    pub(crate) kriptomat: String,
}

impl Running {
    /// Announces this receiver until the result is dropped.
    pub(crate) fn announce(&self, folder: &Path) -> io::Result<Announced> {
        let mut file = NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        let path = folder.join(format!("listen-{}.json", self.pid));
        file.persist(&path)?;
        Ok(Announced(path))
    }

    /// Returns the newest receiver that can be reached. Files of receivers that were killed are removed.
    pub(crate) fn newest(folder: &Path) -> io::Result<Option<Self>> {
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with("listen-") && name.ends_with(".json"));
            if is_ours && metadata.is_file() && metadata.len() <= LARGEST {
                files.push((metadata.modified()?, entry.path()));
            }
        }
        files.sort_unstable_by(|one, other| other.cmp(one));
        Ok(files.into_iter().find_map(|(_, path)| Self::read(&path)))
    }

    fn read(path: &Path) -> Option<Self> {
        let running: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let is_there =
            running.address.ip().is_loopback() && TcpStream::connect_timeout(&running.address, CONNECT_TIMEOUT).is_ok();
        if !is_there {
            let _ = fs::remove_file(path);
        }
        is_there.then_some(running)
    }
}

/// The file of a running receiver, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Announced(PathBuf);

impl Drop for Announced {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns the folder for the files, which belongs to the user alone, and creates it if it is missing.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = match runtime {
        Some(runtime) => runtime.join(FOLDER),
        None => std::env::temp_dir().join(name_in_temp_dir()?),
    };
    private(folder)
}

#[cfg(unix)]
fn private(folder: PathBuf) -> io::Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Another user may have created it, or a link, to read the secrets or to get the events.
    let metadata = fs::symlink_metadata(&folder)?;
    if !metadata.is_dir() || metadata.uid() != own_uid()? || metadata.mode() & 0o077 != 0 {
        let refused = format!("{} is not a folder that only its user can open", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
    }
    Ok(folder)
}

#[cfg(unix)]
fn own_uid() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    Ok(tempfile::tempfile()?.metadata()?.uid())
}

#[cfg(unix)]
fn name_in_temp_dir() -> io::Result<String> {
    Ok(format!("{FOLDER}-{}", own_uid()?))
}

/// The folder for temporary files belongs to the user.
#[cfg(not(unix))]
fn name_in_temp_dir() -> io::Result<String> {
    Ok(FOLDER.to_owned())
}

#[cfg(not(unix))]
fn private(folder: PathBuf) -> io::Result<PathBuf> {
    match DirBuilder::new().create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(folder),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn running(pid: u32, address: SocketAddr) -> Running {
        Running { pid, address, wert: format!("http://{address}/webhooks/wert/s"), kriptomat: String::new() }
    }

    #[test]
    fn the_newest_that_answers_is_found_and_files_of_killed_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (there, gone) = (listener.local_addr().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        assert!(Running::newest(folder.path()).unwrap().is_none());
        let announced = running(1, there).announce(folder.path()).unwrap();
        // One that is killed removes nothing.
        std::mem::forget(running(2, gone).announce(folder.path()).unwrap());
        fs::write(folder.path().join("listen-3.json"), "{").unwrap();
        let elsewhere = running(4, "192.0.2.1:80".parse().unwrap()).announce(folder.path()).unwrap();
        let found = Running::newest(folder.path()).unwrap().map(|running| running.pid);
        assert_eq!(found, Some(1), "neither one that is gone nor one on another machine");
        assert!(!folder.path().join("listen-2.json").exists());
        drop((announced, elsewhere));
        assert!(Running::newest(folder.path()).unwrap().is_none() && !folder.path().join("listen-1.json").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_open_is_not_used() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let home = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = private(home.path().join("new")).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let announced = running(1, "127.0.0.1:1".parse().unwrap()).announce(&folder).unwrap();
        assert_eq!(mode(&announced.0), 0o600);
        symlink(&folder, home.path().join("link")).unwrap();
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        for refused in [home.path().join("link"), open] {
            assert_eq!(private(refused).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
