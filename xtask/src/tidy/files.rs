//! Sources and documents of the repository.

use std::collections::BTreeMap;
use std::path::Path;

/// Text of every Rust source and Markdown document, by its path from the repository's root, with slashes.
pub(super) struct Files(BTreeMap<String, String>);

impl Files {
    /// Reads all files below a folder, except hidden folders and build output.
    ///
    /// # Errors
    /// Returns an error if a folder or file cannot be read, or if there are no sources.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        read(root, "", &mut files)?;
        anyhow::ensure!(!files.is_empty(), "no source found in {}", root.display());
        Ok(Self(files))
    }

    #[cfg(test)]
    pub(super) fn made_of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// Rust sources.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ending_in(".rs").filter(|(path, _)| !path.contains("/docs/"))
    }

    /// Markdown documents.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ending_in(".md")
    }

    /// Rust sources below a folder, by their paths in it.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.sources().filter_map(move |(path, text)| Some((path.strip_prefix(folder)?.strip_prefix('/')?, text)))
    }

    /// Folders of sources in `crates` that have the source `path`.
    pub(super) fn packages_with<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a str> {
        let inner = format!("/src/{path}");
        let folder = move |source: &'a str| source.get(..source.strip_suffix(&inner)?.len() + "/src".len());
        self.sources().filter_map(move |(source, _)| folder(source)).filter(|folder| folder.starts_with("crates/"))
    }

    fn ending_in(&self, ending: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.ends_with(ending))
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
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Lines of code with their numbers, without comments, documentation, and everything from the first `#[cfg(test)]` on.
pub(super) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines()).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    lines.filter(|(_, line)| is_code(line))
}

/// Returns whether a line is neither blank nor a comment.
pub(super) fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// Returns whether a source contains only tests: `tests.rs`, or a file in a folder `tests`.
pub(super) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}
