//! Every source begins with documentation.

use super::files::Files;

pub(super) fn violations(files: &Files) -> Vec<String> {
    let undocumented = files.sources().filter(|(_, text)| !is_documented(text));
    undocumented.map(|(path, _)| format!("{path}: does not begin with documentation")).collect()
}

fn is_documented(text: &str) -> bool {
    text.starts_with("//! ") || text.starts_with("#![doc = include_str!(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_documentation_is_seen() {
        let files = Files::made_of(&[
            ("a.rs", "//! A module.\n"),
            ("b.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("c.rs", "use std::fmt;\n"),
        ]);
        assert_eq!(violations(&files), ["c.rs: does not begin with documentation"]);
    }
}
