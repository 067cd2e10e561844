//! Documentation begins with a verb or a noun, not with a question word.

use super::files::Files;

/// Words that no first line begins with, unless it is a question.
const OPENERS: [&str; 10] = ["What", "Who", "Whoever", "Whose", "Nobody", "Nothing", "Whatever", "How", "Whether", "Why"];

/// Phrases to avoid, and their replacements.
const PHRASES: [(&str, &str); 1] = [("a person", "an operator, a user or a customer")];

/// The file that has to contain the phrases.
const OWN: &str = "xtask/src/tidy/prose.rs";

pub(super) fn violations(files: &Files) -> Vec<String> {
    let in_sources = files.sources().flat_map(|(path, text)| openers(path, first_lines_of_docs(text)));
    let in_documents = files.documents().flat_map(|(path, text)| openers(path, first_lines_of_paragraphs(text)));
    let all = files.sources().chain(files.documents()).filter(|(path, _)| *path != OWN);
    in_sources.chain(in_documents).chain(all.flat_map(|(path, text)| phrases(path, text))).collect()
}

fn openers<'a>(path: &'a str, lines: Vec<(usize, &'a str)>) -> impl Iterator<Item = String> {
    let openers = lines.into_iter().filter_map(|(line, text)| Some((line, opener(text)?)));
    openers.map(move |(line, opener)| format!("{path}:{line}: begins with {opener}; begin with a verb or a noun"))
}

/// Returns the word that a line must not begin with.
fn opener(line: &str) -> Option<&'static str> {
    let (first, rest) = line.split_once(' ')?;
    let is_sentence = rest.starts_with(char::is_lowercase) && !line.trim_end().ends_with('?');
    OPENERS.into_iter().find(|opener| *opener == first && is_sentence)
}

/// First lines of the blocks of `///` and `//!`.
fn first_lines_of_docs(text: &str) -> Vec<(usize, &str)> {
    let mut before = None;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let marker = ["///", "//!"].into_iter().find(|marker| line.trim_start().starts_with(marker));
        if let Some(marker) = marker.filter(|_| marker != before) {
            found.push((number, line.trim_start().trim_start_matches(marker).trim_start()));
        }
        before = marker;
    }
    found
}

/// First lines of paragraphs, items of lists and cells of tables, without those of code.
fn first_lines_of_paragraphs(text: &str) -> Vec<(usize, &str)> {
    let mut is_first = true;
    let mut is_code = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let content = item(line);
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code && (is_first || content != line) {
            found.extend(content.split('|').map(|cell| (number, cell.trim())));
        }
        is_first = line.is_empty() || line.starts_with('#');
    }
    found.retain(|(_, content)| !content.starts_with('#'));
    found
}

/// Returns the text of an item of a list or a row of a table, else the line.
fn item(line: &str) -> &str {
    let numbered = || line.split_once(". ").filter(|(number, _)| number.parse::<u8>().is_ok()).map(|(_, text)| text);
    let marked = || ["- ", "* ", "|"].into_iter().find_map(|marker| line.strip_prefix(marker));
    numbered().or_else(marked).unwrap_or(line)
}

fn phrases(path: &str, text: &str) -> Vec<String> {
    let lines = (1..).zip(text.lines());
    let found = lines
        .flat_map(|(line, text)| PHRASES.into_iter().filter(|(phrase, _)| has(text, phrase)).map(move |found| (line, found)));
    found.map(|(line, (phrase, better))| format!("{path}:{line}: contains \"{phrase}\"; write {better}")).collect()
}

/// Returns whether a line contains a phrase as whole words.
fn has(line: &str, phrase: &str) -> bool {
    line.match_indices(phrase).any(|(at, _)| {
        let before = line.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        let after = line.get(at + phrase.len()..).is_some_and(|after| after.starts_with(char::is_alphanumeric));
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let violations = violations(&Files::made_of(&[(path, text)]));
        violations.iter().map(|violation| violation.split(':').nth(1).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn openers_of_documentation_are_seen() {
        assert_eq!(lines("a.rs", "//! What an inbox has to do.\n"), [1]);
        assert_eq!(
            lines("a.rs", "//! An inbox.\n\n/// Nothing is lost.\nfn a() {}\n    /// Whether it is.\n    b: bool,\n"),
            [3, 5]
        );
        assert_eq!(lines("a.rs", "//! A.\n/// How it is.\nfn a() {}\n"), [2]);
        for opener in OPENERS {
            assert_eq!(lines("a.rs", &format!("/// {opener} it is.\n")), [1], "{opener}");
        }
    }

    #[test]
    fn other_lines_are_not_openers() {
        for text in [
            "/// What is an inbox?\n",
            "/// Returns what it holds.\n/// What follows is no first line.\n",
            "/// Whole replies.\n",
            "/// How-to for stores.\n",
            "/// Who.\n",
            "// What a comment says.\n",
        ] {
            assert!(lines("a.rs", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn openers_of_paragraphs_items_and_cells_are_seen() {
        let text = "# What this is\n\nNothing is lost.\nWhat follows is no first line.\n\n```text\n\nHow it is.\n```\n\n- Whoever asks.\n- An item.\n1. How it is.\n\n| a | What it is |\n";
        assert_eq!(lines("a.md", text), [3, 11, 13, 15]);
        assert_eq!(lines("a.md", "# A\nNobody knows.\n"), [2]);
    }

    #[test]
    fn phrases_are_seen_as_whole_words() {
        assert_eq!(lines("a.rs", "//! A.\nconst A: &str = \"ask a person\";\n"), [2]);
        assert_eq!(lines("a.md", "Ask a person.\n"), [1]);
        assert!(lines("a.md", "It is a personal matter of extra persons.\n").is_empty());
    }
}
