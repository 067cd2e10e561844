//! Links in the READMEs of crates are complete: a path of Rust is a link only in the generated documentation.

use super::files::Files;

pub(super) fn violations(files: &Files) -> Vec<String> {
    let readmes = files.documents().filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/README.md"));
    readmes.flat_map(|(path, text)| in_readme(path, text)).collect()
}

fn in_readme(path: &str, text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            found.extend(
                incomplete(line, text).map(|link| format!("{path}:{number}: {link} is a link only in rustdoc; use a URL")),
            );
        }
    }
    found
}

/// Returns the links of a line that have neither a URL nor an anchor, directly or in a definition in `text`.
fn incomplete<'a>(line: &'a str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let links = line.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    links.filter(|(label, after)| !is_complete(label, after, text)).map(|(label, _)| label)
}

fn is_complete(label: &str, after: &str, text: &str) -> bool {
    let is_target = |target: &str| target.starts_with("https://") || target.starts_with('#');
    match after.strip_prefix('(').or_else(|| after.strip_prefix(": ")) {
        Some(target) => is_target(target),
        None => text.lines().filter_map(|line| line.strip_prefix(&format!("[{label}]: "))).any(is_target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_needs_a_url_or_an_anchor() {
        let text =
            "# A\n\n[a](https://a.example), [a](#a) and [`A::a`].\n\n```\n#[code] [0]\n```\n\n[`A::a`]: https://docs.rs/a\n";
        assert!(in_readme("README.md", text).is_empty());
        let text = "[a](A::a), [a](a.md), [`B`] and\n[a](https://a.example).\n\n[`C`]: crate::C\n";
        let lines: Vec<_> =
            in_readme("README.md", text).iter().map(|line| line.split(" is").next().unwrap().to_owned()).collect();
        assert_eq!(lines, ["README.md:1: a", "README.md:1: a", "README.md:1: `B`", "README.md:4: `C`"]);
    }
}
