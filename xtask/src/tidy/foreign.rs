//! Types of other crates in the public API of ours. A new major version of such a crate is one of ours as well, so each is a decision.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenTree};
use serde_json::Value;

use super::files::{Files, is_test};
use super::tokens::{idents, inside, is_ident, is_punct, product};

/// The crates whose types are in the public API of a package, each with the reason.
const DECIDED: &[(&str, &str, &str)] = &[
    ("onramp-webhooks", "async_trait", "the attribute of its traits, re-exported; nothing of it is in a signature"),
    (
        "onramp-webhooks",
        "bigdecimal",
        "`Amount` converts from and to `BigDecimal`, as sqlx and shops use it; amounts themselves are our type",
    ),
    ("onramp-webhooks", "bytes", "bodies without a copy; the type of all three frameworks, at version 1 for years"),
    ("onramp-webhooks", "futures_core", "`Stream`, of which std has none that is stable"),
    ("onramp-webhooks", "ipnet", "networks of an allow-list, for shops that have them from elsewhere; text works without it"),
    ("onramp-webhooks", "serde_json", "its error becomes one of ours with `?`, in providers of others; at version 1 for years"),
    ("onramp-webhooks", "smol_str", "`From` of short texts for ids"),
    ("onramp-webhooks-actix", "actix_web", "the framework"),
    ("onramp-webhooks-axum", "axum", "the framework"),
    ("onramp-webhooks-client", "futures_core", "`Stream` of orders"),
    ("onramp-webhooks-postgres", "sqlx", "the shop's own pool and the transaction of a handler are its types"),
    ("onramp-webhooks-redis", "redis", "the shop's own client is its type"),
    ("onramp-webhooks-server", "actix_web", "the application of actix-web, with its feature"),
    ("onramp-webhooks-server", "hyper", "the request that the service of axum or warp takes"),
    ("onramp-webhooks-server", "tokio", "the listener that the shop has bound"),
    ("onramp-webhooks-server", "tower_service", "the service of axum or warp"),
    ("onramp-webhooks-sqlite", "rusqlite", "the connection that a handler writes with, re-exported"),
    ("onramp-webhooks-testkit", "bytes", "bodies"),
    ("onramp-webhooks-testkit", "serde_json", "the body of a reply as JSON"),
    ("onramp-webhooks-testkit", "tokio", "connections of tests"),
    ("onramp-webhooks-warp", "warp", "the framework"),
];

/// Returns foreign types that are not decided, and decisions that no type needs.
pub(super) fn violations(files: &Files, metadata: &Value) -> Vec<String> {
    check(&found(files, metadata), DECIDED)
}

fn check(found: &BTreeMap<(String, String), String>, decided: &[(&str, &str, &str)]) -> Vec<String> {
    let is_decided = |package: &str, foreign: &str| decided.iter().any(|(one, other, _)| (*one, *other) == (package, foreign));
    let new = found.iter().filter(|((package, foreign), _)| !is_decided(package, foreign));
    let new = new.map(|((package, foreign), place)| {
        format!("{place}: a type of {foreign} is in the public API of {package}; decide about it")
    });
    let is_found = |package: &str, foreign: &str| found.contains_key(&(package.to_owned(), foreign.to_owned()));
    let old = decided.iter().filter(|(package, foreign, _)| !is_found(package, foreign));
    new.chain(old.map(|(package, foreign, _)| format!("{package}: has no type of {foreign} in its public API any more")))
        .collect()
}

/// Returns the first place of each pair of a package and a crate of which a type is in its public API.
fn found(files: &Files, metadata: &Value) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = package["name"].as_str().unwrap_or_default();
        let targets = package["targets"].as_array().into_iter().flatten();
        let is_library = targets.filter_map(|target| target["kind"].as_array()).flatten().any(|kind| kind == "lib");
        if !package["publish"].is_null() || !is_library {
            continue;
        }
        let crates = dependencies(package);
        for (path, text) in files.sources().filter(|(path, _)| path.starts_with(&format!("crates/{name}/src/")) && !is_test(path))
        {
            for foreign in in_source(path, text, &crates) {
                found.entry((name.to_owned(), foreign)).or_insert_with(|| path.to_owned());
            }
        }
    }
    found
}

/// Returns the crates that a package uses outside of tests, without ours.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
    let names = used.filter_map(|dependency| dependency["name"].as_str()).map(|name| name.replace('-', "_"));
    names.filter(|name| !name.starts_with("onramp_webhooks")).collect()
}

fn in_source(path: &str, text: &str, crates: &BTreeSet<String>) -> BTreeSet<String> {
    let Ok(tokens) = product(path, text) else { return BTreeSet::new() };
    let mut names: BTreeMap<String, String> = crates.iter().map(|name| (name.clone(), name.clone())).collect();
    imports(&tokens, crates, &mut names);
    let mut public = Vec::new();
    collect(&tokens, &mut public);
    let flat = flat(&public);
    let is_path = |at: usize| is_punct(flat.get(at + 1), ':') && is_punct(flat.get(at + 2), ':');
    let used = flat.iter().enumerate().filter_map(|(at, token)| match token {
        TokenTree::Ident(ident) => Some((at, ident.to_string())),
        _ => None,
    });
    // The name of a crate or a module may also be that of an argument.
    let types = used.filter(|(at, name)| name.starts_with(char::is_uppercase) || is_path(*at));
    types.filter_map(|(_, name)| names.get(&name).cloned()).collect()
}

/// Returns the tokens without their groups, at any depth.
fn flat(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let of_one = |token: &TokenTree| match token {
        TokenTree::Group(group) => flat(&group.stream().into_iter().collect::<Vec<_>>()),
        token => vec![token.clone()],
    };
    tokens.iter().flat_map(of_one).collect()
}

/// Adds the names that `use` brings from other crates.
fn imports(tokens: &[TokenTree], crates: &BTreeSet<String>, names: &mut BTreeMap<String, String>) {
    let mut rest = tokens;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if !is_ident(Some(first), "use") {
            continue;
        }
        let end = tail.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(tail.len());
        let used: Vec<_> = idents(tail.get(..end).unwrap_or_default()).iter().map(ToString::to_string).collect();
        let Some(origin) = used.first().filter(|origin| crates.contains(*origin)) else { continue };
        for (at, name) in used.iter().enumerate() {
            if name != "self" && used.get(at + 1).is_none_or(|next| next != "as") {
                names.insert(name.clone(), origin.clone());
            }
        }
    }
}

/// Collects the tokens of public items: signatures, public fields, variants, methods of traits, and conversions with `From`.
fn collect(tokens: &[TokenTree], public: &mut Vec<TokenTree>) {
    for (at, token) in tokens.iter().enumerate() {
        let rest = tokens.get(at + 1..).unwrap_or_default();
        match token {
            TokenTree::Ident(word) if word == "pub" && inside(rest.first(), Delimiter::Parenthesis).is_none() => {
                signature(rest, public)
            }
            TokenTree::Ident(word) if word == "impl" => {
                let header = head(rest);
                if idents(header).iter().any(|ident| ident == "From") {
                    public.extend(header.iter().cloned());
                }
            }
            TokenTree::Group(group) => collect(&group.stream().into_iter().collect::<Vec<_>>(), public),
            _ => {}
        }
    }
}

fn signature(item: &[TokenTree], public: &mut Vec<TokenTree>) {
    let is = |word| is_ident(item.first(), word) || is_ident(item.get(1), word);
    let header = head(item);
    if is("struct") {
        // Fields have a visibility of their own.
        public.extend(header.iter().filter(|token| !matches!(token, TokenTree::Group(_))).cloned());
        return;
    }
    public.extend(header.iter().cloned());
    let body = inside(item.get(header.len()), Delimiter::Brace).unwrap_or_default();
    if is("enum") {
        public.extend(body);
    } else if is("trait") {
        public.extend(body.into_iter().filter(|token| inside(Some(token), Delimiter::Brace).is_none()));
    }
}

/// Returns the tokens before the body or the end of an item or a field.
fn head(item: &[TokenTree]) -> &[TokenTree] {
    let mut depth = 0_i32;
    let end = item.iter().position(|token| {
        depth += i32::from(is_punct(Some(token), '<')) - i32::from(is_punct(Some(token), '>'));
        let is_end = is_punct(Some(token), ';') || is_punct(Some(token), '=') || (depth <= 0 && is_punct(Some(token), ','));
        is_end || inside(Some(token), Delimiter::Brace).is_some()
    });
    item.get(..end.unwrap_or(item.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(text: &str) -> Vec<String> {
        in_source("a.rs", text, &["bytes", "http", "serde"].map(str::to_owned).into()).into_iter().collect()
    }

    #[test]
    fn types_in_signatures_fields_variants_and_traits_are_seen() {
        assert_eq!(foreign("use bytes::Bytes;\npub fn a(b: Bytes) {}\n"), ["bytes"]);
        assert_eq!(foreign("pub struct A { pub b: http::Uri }\n"), ["http"]);
        assert_eq!(foreign("pub enum A { B(http::Uri) }\n"), ["http"]);
        assert_eq!(foreign("pub trait A { fn a(&self) -> http::Uri; }\n"), ["http"]);
        assert_eq!(foreign("pub use http::Uri;\n"), ["http"]);
        assert_eq!(
            foreign("struct A;\nimpl From<http::Uri> for A {}\nimpl A { pub async fn a(&self, b: &[http::Uri]) {} }\n"),
            ["http"]
        );
    }

    #[test]
    fn what_is_not_public_is_not_seen() {
        for text in [
            "use bytes::Bytes;\nfn a(b: Bytes) {}\npub(crate) fn c(d: Bytes) {}\n",
            "pub struct A { b: http::Uri }\npub struct B(http::Uri);\n",
            "use http::uri;\nuse serde::ser::Error as _;\npub fn a(bytes: u8, uri: u8) -> Result<(), Error> {}\n",
            "pub fn a() { http::Uri::default(); }\npub trait A { fn a(&self) { http::b(); } }\n",
            "#[cfg(test)]\nmod tests { pub fn a(b: http::Uri) {} }\n",
        ] {
            assert!(foreign(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn new_types_and_old_decisions_are_told() {
        let found = BTreeMap::from([(("a".to_owned(), "http".to_owned()), "crates/a/src/lib.rs".to_owned())]);
        assert_eq!(check(&found, &[("a", "http", "its requests")]), Vec::<String>::new());
        assert_eq!(check(&found, &[("a", "bytes", "bodies")]).len(), 2);
    }
}
