//! Types whose `Debug` output could hold text from outside are shown by a test, `tests/**/debug.rs` of their crate, or are listed here.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenTree};

use super::files::{Files, is_test};
use super::tokens::{idents, inside, is_ident, is_punct, line, product};

/// Crates that see bodies, queries, secrets and ids of customers.
const CRATES: [&str; 9] = [
    "onramp-webhooks",
    "onramp-webhooks-actix",
    "onramp-webhooks-axum",
    "onramp-webhooks-client",
    "onramp-webhooks-inspector",
    "onramp-webhooks-postgres",
    "onramp-webhooks-redis",
    "onramp-webhooks-sqlite",
    "onramp-webhooks-warp",
];

/// Types that can hold text.
const TEXT: [&str; 11] =
    ["BTreeMap", "Bytes", "BytesMut", "Cow", "HashMap", "PathBuf", "RawValue", "SmolStr", "String", "Value", "str"];

/// Types whose text is never from a body, a query, a secret or a customer, each with the reason.
const HARMLESS: &[(&str, &str)] = &[
    ("Address", "an address that a request was refused from"),
    ("AllowListError", "an entry of the configuration"),
    ("Amount", "a number"),
    ("BuildError", "names in the configuration"),
    ("Candidates", "the name of an endpoint"),
    ("Checkpoint", "progress: endpoints, times and ids of orders"),
    ("ClaimRequest", "names of endpoints"),
    ("ClientIpError", "a header that the log has to name, cut"),
    ("Confirmation", "names of endpoints"),
    ("ConfirmationBuilder", "names of endpoints"),
    ("Connection", "the URL, and limits; it is inside of the clients, which are shown"),
    ("Counts", "names of endpoints"),
    ("Currency", "a code"),
    ("EndpointError", "the name of an endpoint"),
    ("EndpointStatus", "the name of an endpoint"),
    ("Finding", "ids of orders"),
    ("HeaderName", "a name in the configuration"),
    ("HeaderNameError", "a name in the configuration"),
    ("JsonLineError", "the kind of the error, or a word of a line that an operator imports"),
    ("OrdersPager", "cursors, and ids of orders"),
    ("OrderStatus", "a provider's code"),
    ("Page", "a cursor, and rows that leave out what no model has"),
    ("Position", "a cursor"),
    ("PostgresIdempotencyStore", "the name of a schema"),
    ("PostgresInbox", "the name of a schema"),
    ("PostgresOptions", "the name of a schema; the pool with its password is left out"),
    ("PostgresPurchaseStore", "the name of a schema"),
    ("Process", "the names of a process and of endpoints"),
    ("ProviderName", "the name of a provider"),
    ("Providers", "names of providers"),
    ("Quarantine", "a reason, which quotes no value of a body"),
    ("Reconciler", "the name of an endpoint"),
    ("ReconcileRun", "progress: endpoints, times and ids of orders"),
    ("Report", "names of endpoints, and addresses that requests were refused from"),
    ("RedisIdempotencyStore", "a prefix in the configuration"),
    ("RedisOptions", "a prefix; the connection with its password is left out"),
    ("Replayed", "a reason, which quotes no value of a body"),
    ("Settled", "errors of handlers, which are logged anyway"),
    ("SignedRequest", "a time; headers and body are left out"),
    ("SpillInbox", "inboxes, which are shown by themselves"),
    ("SqliteIdempotencyStore", "the path of the file"),
    ("SqliteInbox", "the path of the file"),
    ("SqliteOptions", "the path of the file"),
    ("SqlitePurchaseStore", "the path of the file"),
    ("SqliteReader", "the path of the file"),
    ("SqliteSpill", "the path of the file"),
    ("SqliteTransaction", "the path of the file"),
    ("StoreError", "an operation and the error of a store, which quotes no value"),
    ("Summary", "addresses that requests were refused from, and names of outcomes"),
    ("Tallies", "currencies, sums, and the names that a caller gives to groups"),
    ("Tally", "currencies and sums"),
    ("TaskState", "progress: endpoints, times and ids of orders"),
    ("Traffic", "addresses that requests were refused from, and names of outcomes"),
    ("UnknownState", "a number or a name of a state"),
    ("VerificationState", "a provider's code"),
    ("VerifyError", "a reason, which is logged anyway"),
    ("WorkerBuilder", "an inbox and a handler, which are shown by themselves"),
    ("WrongCheckpoint", "the name of an endpoint"),
];

/// A struct or an enum.
struct Type {
    at: String,
    is_public: bool,
    has_debug: bool,
    /// The identifiers in its fields.
    fields: BTreeSet<String>,
}

pub(super) fn violations(files: &Files) -> Vec<String> {
    CRATES.iter().flat_map(|name| in_crate(files, name)).collect()
}

fn in_crate(files: &Files, name: &str) -> Vec<String> {
    let root = format!("crates/{name}/");
    let mut types = BTreeMap::new();
    let mut shown = BTreeSet::new();
    for (path, text) in files.sources().filter(|(path, _)| path.starts_with(&root)) {
        let tokens = match product(path, text) {
            Ok(tokens) => tokens,
            Err(unreadable) => return vec![unreadable],
        };
        if path.ends_with("/debug.rs") && is_test(path) {
            shown.extend(idents(&tokens).iter().map(ToString::to_string));
        } else if path.contains("/src/") && !is_test(path) {
            scan(path, &tokens, &mut types);
        }
    }
    let is_known = |name: &str| shown.contains(name) || HARMLESS.iter().any(|(harmless, _)| *harmless == name);
    let unknown =
        types.iter().filter(|(name, found)| found.is_public && found.has_debug && !is_known(name) && holds_text(name, &types));
    unknown
        .map(|(name, found)| {
            format!("{}: `Debug` of {name} could show text; show in a test {root}tests/**/debug.rs that it does not", found.at)
        })
        .collect()
}

/// Returns whether a type has a field with text, also inside of private types. Public types in its fields are checked by themselves.
fn holds_text(name: &str, types: &BTreeMap<String, Type>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![name];
    while let Some(found) = open.pop().and_then(|name| types.get(name)) {
        for field in found.fields.iter().map(String::as_str) {
            if TEXT.contains(&field) {
                return true;
            }
            if types.get(field).is_some_and(|field| !field.is_public) && seen.insert(field) {
                open.push(field);
            }
        }
    }
    false
}

/// Collects the types in a source, and the types that it implements `Debug` for.
fn scan(path: &str, tokens: &[TokenTree], types: &mut BTreeMap<String, Type>) {
    for (at, token) in tokens.iter().enumerate() {
        let before = tokens.get(..at).unwrap_or_default();
        let after = tokens.get(at + 1..).unwrap_or_default();
        if is_ident(Some(token), "struct") || is_ident(Some(token), "enum") {
            let Some(TokenTree::Ident(name)) = after.first() else { continue };
            let is_public = is_ident(before.last(), "pub");
            let found = types.entry(name.to_string()).or_insert_with(|| Type {
                at: String::new(),
                is_public,
                has_debug: false,
                fields: BTreeSet::new(),
            });
            found.at = format!("{path}:{}", line(token));
            found.is_public |= is_public;
            found.has_debug |= derives_debug(before);
            found.fields.extend(fields(after));
        } else if is_ident(Some(token), "Debug") && is_ident(after.first(), "for") {
            let named = after.iter().skip(1).find_map(|token| match token {
                TokenTree::Ident(name) => Some(name.to_string()),
                _ => None,
            });
            let empty = || Type { at: path.to_owned(), is_public: false, has_debug: true, fields: BTreeSet::new() };
            named.into_iter().for_each(|name| types.entry(name).or_insert_with(empty).has_debug = true);
        } else if let TokenTree::Group(group) = token {
            scan(path, &group.stream().into_iter().collect::<Vec<_>>(), types);
        }
    }
}

/// Returns whether the attributes directly before an item derive `Debug`.
fn derives_debug(before: &[TokenTree]) -> bool {
    let is_of_item = |token: &&TokenTree| match token {
        TokenTree::Group(_) => true,
        token => is_punct(Some(token), '#') || is_ident(Some(token), "pub"),
    };
    let attributes = before.iter().rev().take_while(is_of_item);
    attributes
        .filter_map(|token| inside(Some(token), Delimiter::Bracket))
        .any(|attribute| is_ident(attribute.first(), "derive") && idents(&attribute).iter().any(|derived| derived == "Debug"))
}

/// Returns the identifiers in the fields of the item whose name the tokens begin with. A `&'static str` is not from outside.
fn fields(item: &[TokenTree]) -> BTreeSet<String> {
    let mut item = item.iter().take_while(|token| !is_punct(Some(token), ';'));
    let body = item.find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::Bracket => Some(group.stream().to_string()),
        _ => None,
    });
    let without = body.unwrap_or_default().replace("& 'static", "&'static").replace("&'static str", "");
    let Ok(tokens) = product("", &without) else { return BTreeSet::new() };
    idents(&tokens).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        #[derive(Clone, Debug)] #[non_exhaustive] pub struct Shown { body: Bytes }
        #[derive(Debug)] pub struct Leaks(Option<String>);
        #[derive(Debug)] pub struct Inside { inner: Inner }
        #[derive(Debug)] struct Inner { text: Vec<Box<str>> }
        #[derive(Debug)] pub enum Number { A { of: u8 }, B(&'static str) }
        #[derive(Debug)] pub struct Outside { leaks: Leaks }
        pub struct Silent(String);
        #[derive(Debug)] pub struct Unit;
        pub struct After { text: String }
        pub struct Manual { text: String }
        impl std::fmt::Debug for Manual {}
        model! { #[derive(Debug)] pub struct Generated { text: String } }";

    #[test]
    fn types_with_text_have_to_be_shown() {
        let files = Files::made_of(&[
            ("crates/onramp-webhooks/src/a.rs", SOURCE),
            ("crates/onramp-webhooks/tests/it/debug.rs", "fn f() { shows_nothing::<Shown>(); }"),
        ]);
        let found = violations(&files);
        let named = |name: &str| found.iter().filter(|violation| violation.contains(&format!("of {name} "))).count();
        assert_eq!(["Leaks", "Inside", "Manual", "Generated"].map(named), [1; 4], "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
