//! `cargo xtask readmes`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use onramp_webhooks_guide::{Block, blocks};
use xshell::{Shell, cmd};

use crate::DEBUG;

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let packages = packages(sh)?;
    let folder = target(sh).join("readmes/workspace");
    write_workspace(sh, &folder, &packages)?;
    let failures: Vec<_> = packages.iter().filter_map(|package| package.check(sh, &folder).err()).collect();
    let list = failures.iter().fold(String::new(), |list, error| format!("{list}\n  {error:#}"));
    ensure!(failures.is_empty(), "examples cannot be built with the dependencies of their README:{list}");
    Ok(())
}

/// A README as a package.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    name: String,
    readme: PathBuf,
    /// Dependency tables.
    dependencies: String,
    examples: Vec<Example>,
}

/// A block of Rust as the source of an example.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    /// Line of the README before the first line of the block.
    line: usize,
    source: String,
}

impl Package {
    fn read(sh: &Shell, folder: &Path) -> anyhow::Result<Self> {
        let readme = folder.join("README.md");
        let text = sh.read_file(&readme)?;
        let crate_name = folder.file_name().map(|name| format!("-{}", name.display())).unwrap_or_default();
        Self::new(format!("readme{crate_name}"), readme, &text)
    }

    /// Returns `None` for a chapter without a `toml` block.
    fn of_chapter(sh: &Shell, chapter: PathBuf) -> anyhow::Result<Option<Self>> {
        let text = sh.read_file(&chapter)?;
        let stem = chapter.file_stem().unwrap_or_default().display().to_string();
        let lists_dependencies = blocks(&text).iter().any(|block| block.language == "toml");
        lists_dependencies.then(|| Self::new(format!("guide-{stem}"), chapter, &text)).transpose()
    }

    fn new(name: String, readme: PathBuf, text: &str) -> anyhow::Result<Self> {
        let blocks = blocks(text);
        let dependencies = blocks.iter().find(|block| block.language == "toml");
        let dependencies =
            dependencies.with_context(|| format!("{}: has no `toml` block with dependencies", readme.display()))?;
        // A whole manifest begins with a name, which this package has already.
        let begin = dependencies.text.find("[dependencies]").unwrap_or(0);
        let dependencies = dependencies.text.get(begin..).unwrap_or_default().to_owned();
        let examples = blocks.iter().filter(|block| block.language == "rust").map(Example::from).collect();
        Ok(Self { name, readme, dependencies, examples })
    }

    fn write(&self, sh: &Shell, workspace: &Path) -> anyhow::Result<()> {
        let folder = workspace.join(&self.name);
        let Self { name, dependencies, .. } = self;
        let head = format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n");
        sh.write_file(folder.join("Cargo.toml"), format!("{head}\n{dependencies}"))?;
        sh.write_file(folder.join("src/lib.rs"), "")?;
        for Example { line, source } in &self.examples {
            sh.write_file(folder.join(format!("examples/line_{line}.rs")), source)?;
        }
        Ok(())
    }

    fn check(&self, sh: &Shell, workspace: &Path) -> anyhow::Result<()> {
        let (name, manifest, target) = (&self.name, workspace.join("Cargo.toml"), target(sh));
        let _without = sh.push_env(DEBUG, "0");
        cmd!(sh, "cargo check --quiet --manifest-path {manifest} --target-dir {target} --package {name} --examples")
            .run()
            .with_context(|| self.readme.display().to_string())
    }
}

impl From<&Block<'_>> for Example {
    fn from(block: &Block<'_>) -> Self {
        let code: String = block.text.lines().map(|line| format!("{}\n", shown(line))).collect();
        let main = if code.contains("fn main(") { code } else { format!("fn main() {{\n{code}}}\n") };
        Self { line: block.line, source: format!("#![allow(unused)]\n{main}") }
    }
}

/// Returns a line without the marker with which rustdoc hides it.
fn shown(line: &str) -> &str {
    let code = line.trim_start();
    match code.strip_prefix("# ") {
        Some(hidden) => hidden,
        None if code == "#" => "",
        None if code.starts_with("##") => code.trim_start_matches("#"),
        None => line,
    }
}

/// Returns the README at the top, those of the libraries, and the chapters of the guide that list dependencies. A program has no dependency to
/// list.
fn packages(sh: &Shell) -> anyhow::Result<Vec<Package>> {
    let libraries = crates(sh)?.into_iter().filter(|folder| sh.path_exists(folder.join("src/lib.rs")));
    let readmes = [PathBuf::new()].into_iter().chain(libraries).map(|folder| Package::read(sh, &folder));
    let chapters = sh.read_dir("docs/src")?.into_iter().filter_map(|chapter| Package::of_chapter(sh, chapter).transpose());
    readmes.chain(chapters).collect()
}

/// Returns the folders of our crates, relative to the repository.
pub(crate) fn crates(sh: &Shell) -> anyhow::Result<Vec<PathBuf>> {
    let folders = sh.read_dir("crates")?;
    Ok(folders.iter().filter_map(|folder| folder.file_name()).map(|name| Path::new("crates").join(name)).collect())
}

/// Writes the packages and their workspace, which starts with our versions of all dependencies.
fn write_workspace(sh: &Shell, folder: &Path, packages: &[Package]) -> anyhow::Result<()> {
    sh.remove_path(folder)?;
    sh.write_file(folder.join("Cargo.toml"), manifest(&sh.current_dir().canonicalize()?, &crates(sh)?, packages))?;
    sh.copy_file("Cargo.lock", folder.join("Cargo.lock"))?;
    packages.iter().try_for_each(|package| package.write(sh, folder))
}

/// Returns the manifest of the workspace. Cargo warns of a patch that is not used, so only listed crates are patched.
fn manifest(root: &Path, crates: &[PathBuf], packages: &[Package]) -> String {
    let members: Vec<_> = packages.iter().map(|package| &package.name).collect();
    let mut manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[patch.crates-io]\n");
    for folder in crates {
        let name = folder.file_name().unwrap_or_default().display();
        let entry = format!("{name} = ");
        if packages.iter().any(|package| package.dependencies.lines().any(|line| line.starts_with(&entry))) {
            // Writing to a string cannot fail.
            let _ = writeln!(manifest, "{entry}{{ path = '{}' }}", root.join(folder).display());
        }
    }
    manifest
}

fn target(sh: &Shell) -> PathBuf {
    PathBuf::from(sh.var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str =
        "# a\n\n```toml\n[dependencies]\na = \"1\"\n```\n\ntext\n\n```rust,no_run\n# use a::B;\nB\n```\n\n```toml\nb\n```\n";

    fn package(text: &str) -> anyhow::Result<Package> {
        Package::new("readme-a".to_owned(), "crates/a/README.md".into(), text)
    }

    fn example(text: &str) -> String {
        Example::from(&blocks(&format!("```rust\n{text}```\n"))[0]).source
    }

    #[test]
    fn the_first_toml_block_and_all_rust_blocks_are_taken() {
        let package = package(README).unwrap();
        assert_eq!(package.dependencies, "[dependencies]\na = \"1\"\n");
        let source = "#![allow(unused)]\nfn main() {\nuse a::B;\nB\n}\n".to_owned();
        assert_eq!(package.examples, [Example { line: 10, source }]);
    }

    #[test]
    fn other_blocks_are_ignored() {
        let package = package("```toml\n```\n```console\n$ rust\n```\n```\n```rust\n```\n").unwrap();
        assert_eq!(package.examples, []);
    }

    #[test]
    fn of_a_whole_manifest_the_dependencies_are_taken() {
        let package = package("```toml Cargo.toml\n[package]\nname = \"shop\"\n\n[dependencies]\na = \"1\"\n```\n").unwrap();
        assert_eq!(package.dependencies, "[dependencies]\na = \"1\"\n");
    }

    #[test]
    fn a_readme_without_dependencies_is_an_error() {
        let error = package("```rust\n```\n").unwrap_err();
        assert_eq!(error.to_string(), "crates/a/README.md: has no `toml` block with dependencies");
    }

    #[test]
    fn markers_of_hidden_lines_are_removed() {
        let hidden = ["# let a = 1;", "#     a", "#", "    # b", "##[c]", "#[d]", "#![e]", "    f # g"].map(shown);
        assert_eq!(hidden, ["let a = 1;", "    a", "", "b", "[c]", "#[d]", "#![e]", "    f # g"]);
    }

    #[test]
    fn a_main_function_is_kept() {
        assert_eq!(example("async fn main() {}\n"), "#![allow(unused)]\nasync fn main() {}\n");
    }

    #[test]
    fn only_listed_crates_are_patched() {
        let crates = ["crates/a", "crates/a-cli"].map(PathBuf::from);
        let manifest = manifest(Path::new("/repository"), &crates, &[package(README).unwrap()]);
        assert!(manifest.contains("members = [\"readme-a\"]"), "{manifest}");
        assert!(manifest.ends_with("[patch.crates-io]\na = { path = '/repository/crates/a' }\n"), "{manifest}");
    }
}
