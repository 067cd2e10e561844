//! Paths of the crate in a source: in `use`, in code, in macros and in the strings of attributes.

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};

use super::super::tokens::{inside, is_ident, is_punct, line, product, string};

/// A path of the crate, from its root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

/// Returns the paths in a source, in order. `module` is the path of the source's own module.
///
/// # Errors
/// Returns the line of a violation if the source is not valid Rust.
pub(super) fn imports(path: &str, text: &str, module: &[String]) -> Result<Vec<Import>, String> {
    let mut found = Vec::new();
    scan(&product(path, text)?, module, &mut found);
    Ok(found)
}

fn scan(tokens: &[TokenTree], module: &[String], found: &mut Vec<Import>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = tokens.get(at..).unwrap_or_default();
        at += if let Some((base, length)) = base(rest, module) {
            length + follow(rest.get(length..).unwrap_or_default(), base, line(token), found)
        } else {
            single(rest, module, found)
        };
    }
}

/// Scans tokens that are not a path, and returns their number.
fn single(tokens: &[TokenTree], module: &[String], found: &mut Vec<Import>) -> usize {
    match tokens {
        [first, attribute, ..] if is_punct(Some(first), '#') => {
            let Some(attribute) = inside(Some(attribute), Delimiter::Bracket) else { return 1 };
            scan_attribute(&attribute, module, found);
            2
        }
        [first, TokenTree::Ident(name), body, ..] if is_ident(Some(first), "mod") => {
            let Some(body) = inside(Some(body), Delimiter::Brace) else { return 2 };
            scan(&body, &[module, &[name.to_string()]].concat(), found);
            3
        }
        [TokenTree::Group(group), ..] => {
            scan(&group.stream().into_iter().collect::<Vec<_>>(), module, found);
            1
        }
        _ => 1,
    }
}

/// Scans an attribute. Attributes such as serde's `with` contain paths in strings, except for documentation.
fn scan_attribute(attribute: &[TokenTree], module: &[String], found: &mut Vec<Import>) {
    if is_ident(attribute.first(), "doc") {
        return;
    }
    scan(attribute, module, found);
    for literal in literals(attribute) {
        let tokens = string(&literal).and_then(|text| text.parse::<TokenStream>().ok()).unwrap_or_default();
        let mut inner = Vec::new();
        scan(&tokens.into_iter().collect::<Vec<_>>(), module, &mut inner);
        let line = literal.span().start().line;
        found.extend(inner.into_iter().map(|import| Import { line, ..import }));
    }
}

fn literals(tokens: &[TokenTree]) -> Vec<Literal> {
    let of_one = |token: &TokenTree| match token {
        TokenTree::Literal(literal) => vec![literal.clone()],
        TokenTree::Group(group) => literals(&group.stream().into_iter().collect::<Vec<_>>()),
        TokenTree::Ident(_) | TokenTree::Punct(_) => Vec::new(),
    };
    tokens.iter().flat_map(of_one).collect()
}

/// Returns the module at which a path with `crate`, `self` or `super` starts, and the number of tokens of that prefix.
fn base(tokens: &[TokenTree], module: &[String]) -> Option<(Vec<String>, usize)> {
    let mut base = None;
    let mut at = 0;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at).filter(|_| is_path(tokens, at + 1)) {
        base = match (ident.to_string().as_str(), base) {
            ("crate", None) => Some(Vec::new()),
            ("self", None) => Some(module.to_vec()),
            ("super", base) => Some(parent(base.unwrap_or_else(|| module.to_vec()))),
            (_, base) => return base.map(|base| (base, at)),
        };
        at += 3;
    }
    base.map(|base| (base, at))
}

fn parent(mut module: Vec<String>) -> Vec<String> {
    module.pop();
    module
}

fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Follows a path to all its ends, as a group in braces has several, and returns the number of its tokens.
fn follow(tokens: &[TokenTree], path: Vec<String>, line: usize, found: &mut Vec<Import>) -> usize {
    let with = |name: &str| [path.as_slice(), &[name.to_owned()]].concat();
    match tokens {
        [TokenTree::Ident(name), ..] if name == "self" => {
            found.push(Import { line, path });
            1
        }
        [TokenTree::Ident(name), ..] if is_path(tokens, 1) => {
            3 + follow(tokens.get(3..).unwrap_or_default(), with(&name.to_string()), line, found)
        }
        [TokenTree::Ident(name), ..] => {
            found.push(Import { line, path: with(&name.to_string()) });
            1
        }
        [group, ..] if inside(Some(group), Delimiter::Brace).is_some() => {
            follow_group(&inside(Some(group), Delimiter::Brace).unwrap_or_default(), &path, found);
            1
        }
        [star, ..] if is_punct(Some(star), '*') => {
            found.push(Import { line, path: with("*") });
            1
        }
        _ => {
            found.push(Import { line, path });
            0
        }
    }
}

fn follow_group(tokens: &[TokenTree], path: &[String], found: &mut Vec<Import>) {
    for element in tokens.split(|token| is_punct(Some(token), ',')) {
        if let Some(first) = element.first() {
            follow(element, path.to_vec(), line(first), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the paths in the source of `crate::receiver::gate`, joined.
    fn found(text: &str) -> Vec<String> {
        let module = ["receiver", "gate"].map(str::to_owned);
        imports("a.rs", text, &module).unwrap().into_iter().map(|import| import.path.join("::")).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        for (text, expected) in [
            ("use crate::a::B;", "a::B"),
            ("pub(crate) use crate::a as b;", "a"),
            ("use crate::a::*;", "a::*"),
            ("use crate::*;", "*"),
            ("use super::a;", "receiver::a"),
            ("use super::super::a::B;", "a::B"),
            ("use self::super::super::a;", "a"),
            ("use self::a::B;", "receiver::gate::a::B"),
            ("mod inner { use super::super::super::a; }", "a"),
            ("fn f(a: &crate::b::C<D>) {}", "b::C"),
            ("fn f() { x(|| crate::a::b::<C>()) }", "a::b"),
            ("macro_rules! m { ($a:expr) => { $crate::a::b($a) } }", "a::b"),
            ("fn f() { println!(\"{}\", crate::a::B); }", "a::B"),
            ("#[serde(with = \"crate::a::b\")] struct C;", "a::b"),
            ("#[derive(crate::a::B)] struct C;", "a::B"),
            ("pub(in crate::a) fn f() {}", "a"),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn groups_have_several_ends_over_several_lines() {
        let text = "use crate::{\n    a::{self, B},\n    c::d::{E, f::*},\n    g,\n};\n";
        assert_eq!(found(text), ["a", "a::B", "c::d::E", "c::d::f::*", "g"]);
        let lines: Vec<_> = imports("a.rs", text, &[]).unwrap().iter().map(|import| import.line).collect();
        assert_eq!(lines, [2, 2, 3, 3, 4]);
        assert_eq!(found("use {crate::a, super::b};"), ["a", "receiver::b"]);
        assert_eq!(found("fn f(a: crate::b::C<crate::d::E>) {}"), ["b::C", "d::E"]);
    }

    #[test]
    fn text_tests_and_other_crates_are_not_paths() {
        for text in [
            "/// [`crate::a`]\nstruct B;",
            "// use crate::a;\nconst B: &str = \"crate::a\";",
            "#[cfg(test)]\nmod tests { use crate::a; }",
            "#[cfg(doc)]\nuse crate::{a, b};",
            "use std::fmt; pub(crate) fn a(&self) { self.b() }",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }
}
