//! Every file says what it is for.

use super::files::Files;

pub(super) fn broken(files: &Files) -> impl Iterator<Item = String> {
    let undocumented = files.all().filter(|(_, text)| !is_documented(text));
    undocumented.map(|(path, _)| format!("{path}: has no documentation at its top")).collect::<Vec<_>>().into_iter()
}

fn is_documented(text: &str) -> bool {
    text.starts_with("//! ") || text.starts_with("#![doc = include_str!(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_documentation_is_named() {
        let files = Files::made_of(&[
            ("a.rs", "//! Says it.\n"),
            ("b.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("c.rs", "use std::fmt;\n"),
        ]);
        assert_eq!(broken(&files).collect::<Vec<_>>(), ["c.rs: has no documentation at its top"]);
    }
}
