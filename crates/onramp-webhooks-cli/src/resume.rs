//! The file that says where a reconciliation stands.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use onramp_webhooks_client::wert::Checkpoint;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::outcome::Failure;

/// The file that says where a reconciliation stands.
pub(crate) struct ResumeFile(PathBuf);

/// What is in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stood {
    /// Whose orders they are.
    pub(crate) api_url: String,
    pub(crate) checkpoint: Checkpoint,
}

impl ResumeFile {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `None`: there is no such file.
    pub(crate) fn read(&self) -> Result<Option<Stood>, Failure> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::because(format!("reading {:?}", self.0), &error)),
        };
        let wrong = |error| Failure::Misuse(format!("--resume: {:?} says not where a reconciliation stands: {error}", self.0));
        serde_json::from_slice(&text).map(Some).map_err(wrong)
    }

    /// Writes it anew: whoever reads it, and a crash at any moment, finds the old one or the new one.
    pub(crate) fn write(&self, stood: &Stood) -> Result<(), Failure> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || {
            let mut file = NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, stood)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.0)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| Failure::because(format!("writing {:?}", self.0), &error))
    }

    /// All is done: the next run begins anew.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::because(format!("removing {:?}", self.0), &error)),
            _ => Ok(()),
        }
    }
}
