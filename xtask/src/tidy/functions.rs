//! Functions are short.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::files::{Files, is_code, is_test};
use super::tokens::{is_ident, line, product};

/// The maximum number of lines of code of a function, without comments and blank lines.
const MOST_LINES: usize = 60;

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Line of its `fn`.
    line: usize,
    /// Number of its lines of code, from its name to its last brace.
    pub(super) lines: usize,
}

pub(super) fn violations(files: &Files) -> Vec<String> {
    files.sources().filter(|(path, _)| is_product(path)).flat_map(|(path, text)| in_source(path, text)).collect()
}

/// Returns whether a source is part of a crate, an example or these commands, and not a test.
pub(super) fn is_product(path: &str) -> bool {
    let is_there = ["crates/", "examples/", "xtask/"].iter().any(|folder| path.starts_with(folder));
    is_there && path.contains("/src/") && !is_test(path)
}

fn in_source(path: &str, text: &str) -> Vec<String> {
    let functions = match functions(path, text) {
        Ok(functions) => functions,
        Err(unreadable) => return vec![unreadable],
    };
    let long = functions.into_iter().filter(|function| function.lines > MOST_LINES);
    long.map(|Function { name, line, lines }| format!("{path}:{line}: {name} has {lines} lines, more than {MOST_LINES}"))
        .collect()
}

/// Returns the functions of a source except those for tests, including nested functions.
///
/// # Errors
/// Returns the line of a violation if the source is not valid Rust.
pub(super) fn functions(path: &str, text: &str) -> Result<Vec<Function>, String> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    scan(&product(path, text)?, &lines, &mut found);
    Ok(found)
}

fn scan(tokens: &[TokenTree], lines: &[&str], found: &mut Vec<Function>) {
    for (at, token) in tokens.iter().enumerate() {
        if is_ident(Some(token), "fn") {
            found.extend(function(tokens.get(at..).unwrap_or_default(), lines));
        } else if let TokenTree::Group(group) = token {
            scan(&group.stream().into_iter().collect::<Vec<_>>(), lines, found);
        }
    }
}

/// Returns the function that the tokens begin with, unless it is a function pointer type or a signature without a body.
fn function(tokens: &[TokenTree], lines: &[&str]) -> Option<Function> {
    let [first, TokenTree::Ident(name), rest @ ..] = tokens else { return None };
    let last = body(rest)?.span_close().end().line;
    let first = line(first);
    let code = lines.get(first - 1..last)?.iter().filter(|line| is_code(line));
    Some(Function { name: name.to_string(), line: first, lines: code.count() })
}

fn body(tokens: &[TokenTree]) -> Option<&Group> {
    let end = |token: &&TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    match tokens.iter().find(end) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, usize)> {
        functions("a.rs", text).unwrap().into_iter().map(|function| (function.name, function.lines)).collect()
    }

    #[test]
    fn functions_are_measured_without_comments_and_blank_lines() {
        let text = "/// A.\n#[must_use]\npub async fn a<T>(\n    b: fn(u8) -> T,\n) -> Vec<T>\nwhere\n    T: B,\n{\n    // C.\n\n    d\n}\n";
        assert_eq!(found(text), [("a".to_owned(), 8)]);
        assert_eq!(found("impl A {\n    fn b() {\n        fn c() {}\n    }\n}\n"), [("b".to_owned(), 3), ("c".to_owned(), 1)]);
        assert_eq!(
            found("trait A { fn b(); fn c() {} }\ntype D = fn(u8);\n#[cfg(test)]\nmod tests { fn e() {} }\n"),
            [("c".to_owned(), 1)]
        );
    }

    #[test]
    fn a_long_function_is_seen_where_products_are() {
        let long = format!("fn a() {{\n{}}}\n", "b();\n".repeat(MOST_LINES - 1));
        let short = format!("fn a() {{\n{}\n// C.\n}}\n", "b();\n".repeat(MOST_LINES - 2));
        let see = |path: &str, text: &str| violations(&Files::made_of(&[(path, text)]));
        assert_eq!(see("crates/a/src/b.rs", &long), ["crates/a/src/b.rs:1: a has 61 lines, more than 60"]);
        assert_eq!(see("examples/a/src/main.rs", &long).len(), 1);
        assert!(see("crates/a/src/b.rs", &short).is_empty());
        assert!(see("crates/a/tests/b.rs", &long).is_empty() && see("crates/a/src/b/tests.rs", &long).is_empty());
    }
}
