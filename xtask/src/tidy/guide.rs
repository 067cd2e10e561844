//! The guide: every chapter is in its summary, its links lead somewhere, and its blocks are tested.

use onramp_webhooks_guide::blocks;

use super::files::Files;

/// The folder of the chapters.
const CHAPTERS: &str = "docs/src/";

/// The table of contents.
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// The source that has the chapters with examples as documentation tests.
const DOCTESTS: &str = "tests/guide/src/chapters.rs";

/// Languages of blocks, which tests compile, run or await.
const TESTED: [&str; 4] = ["console", "rust", "text", "toml"];

/// The only chapter with output in blocks of their own, which `cargo xtask first-hour` awaits.
const WITH_OUTPUT: &str = "docs/src/first-purchase.md";

pub(super) fn violations(files: &Files) -> Vec<String> {
    let chapters: Vec<_> = files.documents().filter(|(path, _)| path.starts_with(CHAPTERS)).collect();
    let text_of = |wanted: &str| files.documents().find(|(path, _)| *path == wanted).map(|(_, text)| text);
    let summary = text_of(SUMMARY).unwrap_or_default();
    let doctests = files.sources().find(|(path, _)| *path == DOCTESTS).map(|(_, text)| text).unwrap_or_default();
    let mut violations = Vec::new();
    for (path, text) in &chapters {
        let name = path.strip_prefix(CHAPTERS).unwrap_or(path);
        if *path != SUMMARY && !summary.contains(&format!("]({name})")) {
            violations.push(format!("{path}: is not in SUMMARY.md"));
        }
        violations.extend(
            links(text).filter_map(|(line, link)| broken(link, path, text_of).map(|why| format!("{path}:{line}: {link} {why}"))),
        );
        violations.extend(untested(path, text).into_iter().map(|line| format!("{path}:{line}: no test reads this block")));
        let has_examples = blocks(text).iter().any(|block| block.language == "rust");
        if has_examples && !doctests.contains(&format!("\"{name}\"")) {
            violations.push(format!("{path}: has examples, and is not in {DOCTESTS}"));
        }
    }
    violations
}

/// Returns the targets of links to files of the guide, outside of blocks.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let lines = (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.flat_map(|(number, line)| {
        let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.map(move |(link, _)| (number, link)).filter(|(_, link)| !link.contains("://"))
    })
}

/// Returns why a link to a file of the guide, or to a section of it, leads nowhere.
fn broken<'a>(link: &str, path: &str, text_of: impl Fn(&str) -> Option<&'a str>) -> Option<&'static str> {
    let (file, section) = link.split_once('#').unwrap_or((link, ""));
    let file = if file.is_empty() { path.to_owned() } else { format!("{CHAPTERS}{file}") };
    let Some(text) = text_of(&file) else { return Some("is no chapter") };
    let has_section = section.is_empty() || text.lines().any(|line| line.starts_with('#') && anchor(line) == section);
    (!has_section).then_some("is no section of the chapter")
}

/// Returns the anchor of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// Returns the lines of blocks that no test reads.
fn untested(path: &str, text: &str) -> Vec<usize> {
    let is_tested = |language| TESTED.contains(&language) && (language != "text" || path == WITH_OUTPUT);
    blocks(text).iter().filter(|block| !is_tested(block.language)).map(|block| block.line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(chapter: &str) -> Vec<String> {
        violations(&Files::made_of(&[(SUMMARY, "- [A](a.md)\n"), ("docs/src/a.md", chapter), (DOCTESTS, "\"b.md\"")]))
    }

    #[test]
    fn a_chapter_with_good_links_and_blocks_is_fine() {
        let text = "# A\n\n## 1. One \"more\"\n\n[a](a.md#1-one-more), [b](#a), [c](https://c.example/d.md)\n\n```console\n$ a [b](c)\n```\n";
        assert_eq!(with(text), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_seen() {
        assert_eq!(with("[b](b.md)\n"), ["docs/src/a.md:1: b.md is no chapter"]);
        assert_eq!(with("# A\n[b](a.md#b)\n"), ["docs/src/a.md:2: a.md#b is no section of the chapter"]);
    }

    #[test]
    fn blocks_without_a_test_are_seen() {
        assert_eq!(with("\n```sh\na\n```\n"), ["docs/src/a.md:2: no test reads this block"]);
        assert_eq!(with("  ```text\n  a\n  ```\n"), ["docs/src/a.md:1: no test reads this block"]);
        assert_eq!(with("```rust\n```\n"), ["docs/src/a.md: has examples, and is not in tests/guide/src/chapters.rs"]);
    }

    #[test]
    fn a_chapter_that_is_not_in_the_summary_is_seen() {
        let files = Files::made_of(&[(SUMMARY, ""), ("docs/src/a.md", "")]);
        assert_eq!(violations(&files), ["docs/src/a.md: is not in SUMMARY.md"]);
    }
}
