//! Size of the repository, in lines and functions.

use std::collections::BTreeMap;

use super::files::{Files, code, is_code, is_test};
use super::functions::functions;

/// Size of a folder.
#[derive(Default)]
struct Figures {
    files: usize,
    /// Lines of product code, without documentation, comments, blank lines and tests.
    code: usize,
    /// Lines of code of tests.
    tests: usize,
    /// Lines of documentation.
    docs: usize,
    /// Number of lines of each function that is not part of a test.
    functions: Vec<usize>,
}

/// Returns the table: one row for each crate, example and folder of tools, and their sum.
pub(super) fn table(files: &Files) -> String {
    let mut rows: BTreeMap<String, Figures> = BTreeMap::new();
    for (path, text) in files.sources() {
        let figures = figures(path, text);
        for row in [folder(path), "sum".to_owned()] {
            rows.entry(row).or_default().add(&figures);
        }
    }
    let sum = rows.remove("sum").map(|sum| ("sum".to_owned(), sum));
    let mut table = format!(
        "{:<34}{:>7}{:>8}{:>8}{:>8}{:>11}{:>8}{:>9}\n",
        "folder", "files", "code", "tests", "docs", "functions", "median", "longest"
    );
    for (folder, figures) in rows.into_iter().chain(sum) {
        table.push_str(&figures.row(&folder));
    }
    table
}

/// Returns the row that a source belongs to.
fn folder(path: &str) -> String {
    let parts = if path.starts_with("crates/") || path.starts_with("examples/") { 2 } else { 1 };
    path.split('/').take(parts).collect::<Vec<_>>().join("/")
}

fn figures(path: &str, text: &str) -> Figures {
    let all = text.lines().filter(|line| is_code(line)).count();
    let is_test = is_test(path);
    let code = if is_test { 0 } else { code(text).count() };
    let is_doc = |line: &&str| line.trim_start().starts_with("///") || line.trim_start().starts_with("//!");
    let functions = if is_test { Vec::new() } else { functions(path, text).unwrap_or_default() };
    Figures {
        files: 1,
        code,
        tests: all - code,
        docs: text.lines().filter(is_doc).count(),
        functions: functions.into_iter().map(|function| function.lines).collect(),
    }
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.code += other.code;
        self.tests += other.tests;
        self.docs += other.docs;
        self.functions.extend(&other.functions);
    }

    fn row(mut self, folder: &str) -> String {
        self.functions.sort_unstable();
        let Self { files, code, tests, docs, functions } = self;
        let count = functions.len();
        let or_none = |lines: Option<&usize>| lines.map_or_else(|| "-".to_owned(), usize::to_string);
        let (median, longest) = (or_none(functions.get(count / 2)), or_none(functions.last()));
        format!("{folder:<34}{files:>7}{code:>8}{tests:>8}{docs:>8}{count:>11}{median:>8}{longest:>9}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_a_row_and_a_sum() {
        let files = Files::made_of(&[
            (
                "crates/a/src/lib.rs",
                "//! A.\n\nfn a() {\n    b\n}\n// C.\nfn d() {}\n\n#[cfg(test)]\nmod tests {\n    fn e() {}\n}\n",
            ),
            ("crates/a/tests/it/main.rs", "//! A.\nfn f() {}\n"),
            ("xtask/src/main.rs", "fn main() {}\n"),
        ]);
        let table = table(&files);
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["crates/a", "2", "4", "5", "2", "2", "3", "3"]);
        assert_eq!(rows[2], ["xtask", "1", "1", "0", "0", "1", "1", "1"]);
        assert_eq!(rows[3], ["sum", "3", "5", "5", "2", "3", "1", "3"]);
    }
}
