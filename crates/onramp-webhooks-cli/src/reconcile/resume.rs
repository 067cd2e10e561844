//! The file from which an unfinished reconciliation resumes.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use onramp_webhooks_client::wert::Checkpoint;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::exit::CliError;

/// A file that holds the state of an unfinished reconciliation.
pub(crate) struct ResumeFile(PathBuf);

/// The content of a [`ResumeFile`].
#[derive(Serialize, Deserialize)]
pub(crate) struct ResumeState {
    /// The API that returned the orders.
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

    /// Reads the file. Returns `None` if it does not exist.
    pub(crate) fn read(&self) -> Result<Option<ResumeState>, CliError> {
        let json = match fs::read(&self.0) {
            Ok(json) => json,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CliError::with_source(format!("reading {:?}", self.0), &error)),
        };
        let invalid = |error| CliError::Usage(format!("--resume: {:?} is not a resume file: {error}", self.0));
        serde_json::from_slice(&json).map(Some).map_err(invalid)
    }

    /// Replaces the file atomically: readers see either the old or the new content, also after a crash.
    pub(crate) fn write(&self, state: &ResumeState) -> Result<(), CliError> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || {
            let mut file = NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, state)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&self.0)?;
            Ok::<_, std::io::Error>(())
        };
        write().map_err(|error| CliError::with_source(format!("writing {:?}", self.0), &error))
    }

    /// Removes the file, so that the next run starts from the beginning.
    pub(crate) fn remove(&self) -> Result<(), CliError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(CliError::with_source(format!("removing {:?}", self.0), &error))
            }
            _ => Ok(()),
        }
    }
}
