//! Tokens of a source, for rules that need more than its lines.

use std::slice;

use proc_macro2::{Delimiter, Group, Ident, Literal, TokenStream, TokenTree};

/// Returns the tokens of a source, without the items that only exist in builds of tests or documentation.
///
/// # Errors
/// Returns the line of a violation if the text does not consist of Rust tokens.
pub(super) fn product(path: &str, text: &str) -> Result<Vec<TokenTree>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{path}: cannot be read: {error}"))?;
    Ok(without_tests(tokens))
}

/// Line of a token, from 1.
pub(super) fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

pub(super) fn is_punct(token: Option<&TokenTree>, punct: char) -> bool {
    matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}

pub(super) fn is_ident(token: Option<&TokenTree>, ident: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(found)) if found == ident)
}

/// Returns the tokens between a pair of delimiters.
pub(super) fn inside(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream().into_iter().collect()),
        _ => None,
    }
}

/// Returns every identifier, at any depth.
pub(super) fn idents(tokens: &[TokenTree]) -> Vec<Ident> {
    tokens.iter().flat_map(of_one).collect()
}

fn of_one(token: &TokenTree) -> Vec<Ident> {
    match token {
        TokenTree::Ident(ident) => vec![ident.clone()],
        TokenTree::Group(group) => idents(&group.stream().into_iter().collect::<Vec<_>>()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    }
}

/// Returns the text between the quotes of a string.
pub(super) fn string(literal: &Literal) -> Option<String> {
    Some(literal.to_string().strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut rest = tokens.iter();
    let mut kept = Vec::new();
    while let Some(token) = rest.next() {
        if is_punct(Some(token), '#') && rest.as_slice().first().is_some_and(is_never_built) {
            skip_item(&mut rest);
        } else if let TokenTree::Group(group) = token {
            kept.push(rebuilt(group).into());
        } else {
            kept.push(token.clone());
        }
    }
    kept
}

/// Returns a group without its tests, with the same span.
fn rebuilt(group: &Group) -> Group {
    let mut rebuilt = Group::new(group.delimiter(), without_tests(group.stream()).into_iter().collect());
    rebuilt.set_span(group.span());
    rebuilt
}

/// Returns whether an attribute's brackets contain only a `cfg` for tests or documentation.
fn is_never_built(attribute: &TokenTree) -> bool {
    let Some(attribute) = inside(Some(attribute), Delimiter::Bracket) else { return false };
    let [name, condition] = attribute.as_slice() else { return false };
    is_ident(Some(name), "cfg")
        && idents(slice::from_ref(condition)).iter().all(|ident| ["test", "doc", "any", "all"].iter().any(|word| ident == word))
}

/// Consumes an attribute and the item, field or variant that follows it.
fn skip_item(rest: &mut slice::Iter<'_, TokenTree>) {
    let mut generics = 0_i32;
    let mut before = ' ';
    for token in rest.by_ref() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) => {
                match punct.as_char() {
                    ';' => return,
                    ',' if generics == 0 => return,
                    '<' => generics += 1,
                    '>' if before != '-' && before != '=' => generics -= 1,
                    _ => {}
                }
                before = punct.as_char();
            }
            _ => before = ' ',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Vec<String> {
        idents(&product("a.rs", text).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_of_tests_and_documentation_are_left_out() {
        assert_eq!(kept("#[cfg(test)] mod tests { use a; } struct B;"), ["struct", "B"]);
        assert_eq!(kept("#[cfg(doc)]\n#[allow(x)] use a::{b, c}; mod d;"), ["mod", "d"]);
        assert_eq!(kept("struct A { #[cfg(test)] b: Map<C, D>, e: F }"), ["struct", "A", "e", "F"]);
        assert_eq!(kept("#[cfg(test)] fn a<B, C>(d: E) -> F { g } fn h() {}"), ["fn", "h"]);
        assert_eq!(kept("#[cfg(not(test))] struct A;"), ["cfg", "not", "test", "struct", "A"]);
        assert_eq!(kept("#[cfg(any(test, feature = \"a\"))] struct A;"), ["cfg", "any", "test", "feature", "struct", "A"]);
    }

    #[test]
    fn unreadable_text_is_a_violation() {
        assert!(product("a.rs", "fn a() {").unwrap_err().starts_with("a.rs: cannot be read"));
    }
}
