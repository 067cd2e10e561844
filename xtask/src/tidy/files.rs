//! The sources, by their paths.

use std::collections::BTreeMap;
use std::path::Path;

/// The text of every Rust source, by its path from the repository's root, with slashes.
pub(super) struct Files(BTreeMap<String, String>);

impl Files {
    pub(super) fn of(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        read(root, "", &mut files)?;
        anyhow::ensure!(!files.is_empty(), "no source was found");
        Ok(Self(files))
    }

    #[cfg(test)]
    pub(super) fn made_of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files below a folder, by their paths in it.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.all().filter_map(move |(path, text)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, text)))
    }
}

fn read(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                read(root, &path, files)?;
            }
        } else if name.ends_with(".rs") {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// The lines of code: without comments, documentation, and whatever follows the first `#[cfg(test)]`.
pub(super) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines()).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
}
