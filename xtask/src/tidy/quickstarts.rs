//! Quickstarts stay one short file with few dependencies, so that a first build is short.

use std::collections::{BTreeMap, BTreeSet};

use xshell::{Shell, cmd};

use super::crates::PACKAGES;
use super::files::Files;

/// Quickstarts, and the maximum number of crates in the build of each, including its own.
const QUICKSTARTS: &[(&str, usize)] = &[("axum-quickstart", 98), ("actix-quickstart", 154), ("warp-quickstart", 119)];

/// The maximum number of lines of a quickstart.
const MOST_LINES: usize = 70;

/// Number of crates in the build of each quickstart and each published package.
pub(crate) type Builds = BTreeMap<String, usize>;

/// Counts the crates in the build of each quickstart and each package that is on a list.
///
/// # Errors
/// Returns an error if cargo does not know the package.
pub(crate) fn builds(sh: &Shell) -> anyhow::Result<Builds> {
    let packages = QUICKSTARTS.iter().chain(PACKAGES);
    packages.map(|(package, _)| Ok(((*package).to_owned(), crates(sh, package)?))).collect()
}

fn crates(sh: &Shell, package: &str) -> anyhow::Result<usize> {
    let tree =
        cmd!(sh, "cargo tree --locked --package {package} --edges normal,build --prefix none --no-dedupe").quiet().read()?;
    Ok(distinct(&tree))
}

/// Counts the packages of a tree, each by name and version.
fn distinct(tree: &str) -> usize {
    let package = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    tree.lines().map(package).filter(|package| !package.is_empty()).collect::<BTreeSet<_>>().len()
}

pub(super) fn violations(files: &Files, builds: &Builds) -> Vec<String> {
    check(files, builds, QUICKSTARTS)
}

fn check(files: &Files, builds: &Builds, quickstarts: &[(&str, usize)]) -> Vec<String> {
    let listed = quickstarts.iter().flat_map(|(package, most)| of_one(files, builds, package, *most));
    let unlisted = folders(files).into_iter().filter(|folder| quickstarts.iter().all(|(package, _)| package != folder));
    listed
        .chain(unlisted.map(|folder| format!("examples/{folder}: is not on the list in xtask/src/tidy/quickstarts.rs")))
        .collect()
}

fn of_one(files: &Files, builds: &Builds, package: &str, most: usize) -> Vec<String> {
    let folder = format!("examples/{package}");
    let mut violations = Vec::new();
    match builds.get(package) {
        Some(crates) if *crates <= most => {}
        Some(crates) => violations.push(format!("{folder}: its build has {crates} crates, more than {most}")),
        None => violations.push(format!("{folder}: the crates of its build were not counted")),
    }
    let sources: Vec<_> = files.below(&folder).filter(|(path, _)| path.starts_with("src/")).collect();
    match sources.as_slice() {
        [("src/main.rs", text)] if text.lines().count() <= MOST_LINES => {}
        [("src/main.rs", text)] => {
            violations.push(format!("{folder}/src/main.rs: has {} lines, more than {MOST_LINES}", text.lines().count()));
        }
        _ => violations.push(format!("{folder}: must have exactly one source, src/main.rs")),
    }
    violations
}

/// Folders of examples whose names end like those of quickstarts.
fn folders(files: &Files) -> BTreeSet<&str> {
    let folders = files.below("examples").filter_map(|(path, _)| path.split('/').next());
    folders.filter(|folder| folder.ends_with("-quickstart")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "examples/axum-quickstart/src/main.rs";

    fn with(files: &[(&str, &str)], crates: usize) -> Vec<String> {
        let builds = Builds::from([("axum-quickstart".to_owned(), crates)]);
        check(&Files::made_of(files), &builds, &[("axum-quickstart", 94)])
    }

    #[test]
    fn a_small_quickstart_is_fine() {
        assert_eq!(with(&[(MAIN, &"a\n".repeat(MOST_LINES))], 94), Vec::<String>::new());
    }

    #[test]
    fn a_large_build_is_seen() {
        assert_eq!(with(&[(MAIN, "")], 95), ["examples/axum-quickstart: its build has 95 crates, more than 94"]);
    }

    #[test]
    fn long_and_several_files_are_seen() {
        assert_eq!(with(&[(MAIN, &"a\n".repeat(MOST_LINES + 1))], 94).len(), 1);
        assert_eq!(with(&[(MAIN, ""), ("examples/axum-quickstart/src/shop.rs", "")], 94).len(), 1);
        assert_eq!(with(&[], 94).len(), 1);
    }

    #[test]
    fn a_quickstart_that_is_not_listed_is_seen() {
        let violations = with(&[(MAIN, ""), ("examples/warp-quickstart/src/main.rs", "")], 94);
        assert_eq!(violations, ["examples/warp-quickstart: is not on the list in xtask/src/tidy/quickstarts.rs"]);
    }

    #[test]
    fn packages_are_counted_once() {
        assert_eq!(distinct("a v1.0.0 (/a)\nb v1.0.0\nb v1.0.0\nb v2.0.0 (proc-macro)\n\n"), 3);
    }
}
