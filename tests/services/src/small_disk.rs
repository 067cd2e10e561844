//! A small disk, to fill.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::ServiceError;

/// A file system in memory that is unmounted when this value is dropped.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

/// A file that takes up space until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl SmallDisk {
    /// Mounts a file system of this size, such as `240m`.
    ///
    /// # Errors
    /// Returns an error if the user may not mount one.
    pub fn mount(size: &str) -> Result<Self, ServiceError> {
        let folder = tempfile::tempdir().map_err(ServiceError::io("creating a temporary folder"))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"]).arg(folder.path());
        let output = mount.output().map_err(ServiceError::io("running mount"))?;
        if output.status.success() {
            return Ok(Self(folder));
        }
        Err(ServiceError::Refused { name: "mount", reply: String::from_utf8_lossy(&output.stderr).into_owned() })
    }

    /// Returns the folder at which it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk up to `free` bytes until the returned value is dropped.
    ///
    /// # Errors
    /// Returns an error if the file that fills it cannot be made.
    pub fn fill_up_to(&self, free: u64) -> Result<Ballast, ServiceError> {
        let ballast = Ballast(self.path().join("ballast"));
        let fill = || {
            let mut file = File::create(&ballast.0)?;
            let chunk = [0; 64 * 1024];
            while file.write_all(&chunk).is_ok() {}
            let length = file.metadata()?.len();
            file.set_len(length.saturating_sub(free))
        };
        fill().map_err(ServiceError::io("filling a small disk"))?;
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because the server that used it may be on its way out.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
