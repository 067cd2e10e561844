//! Secrets: from a flag or a file, or made at random.

use std::path::Path;

use crate::exit::CliError;

/// Returns the secret of a flag, or that in the file of `{flag}-file`. An empty text is the same as none. Errors do not contain it.
pub(crate) fn text_or_file(flag: &str, text: Option<&str>, file: Option<&Path>) -> Result<Option<String>, CliError> {
    match (text.filter(|text| !text.is_empty()), file) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map(Some)
            .map_err(|error| CliError::with_source(format!("{flag}-file: reading {}", file.display()), &error)),
        (None, None) => Ok(None),
    }
}

/// Returns random bytes of the operating system.
pub(crate) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], CliError> {
    let mut random = [0; LENGTH];
    getrandom::fill(&mut random).map_err(|error| CliError::with_source("making a secret", &error))?;
    Ok(random)
}
