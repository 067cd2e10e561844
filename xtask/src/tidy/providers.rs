//! Only a provider's folder, its declaration and the list of providers contain its name.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenTree};

use super::adapters::ADAPTERS;
use super::files::{Files, is_test};
use super::tokens::{idents, is_ident, is_punct, product};

const CORE: &str = "crates/onramp-webhooks/src";

/// The file of the core that re-exports the providers.
const REEXPORTS: &str = "lib.rs";

/// The file that declares and lists the providers, and does not use their names anywhere else.
const DECLARATIONS: &str = "provider/mod.rs";

/// The constant with the list of providers.
const LIST: &str = "LIST";

pub(super) fn violations(files: &Files) -> Vec<String> {
    let names = names(files);
    if names.is_empty() {
        return vec![format!("{CORE}/provider: contains no folder of a provider")];
    }
    let core = files.below(CORE).filter(|(path, _)| *path != REEXPORTS).map(|(path, text)| (CORE, path, text));
    let adapters = ADAPTERS.iter().flat_map(|adapter| files.below(adapter).map(|(path, text)| (*adapter, path, text)));
    let sources = core.chain(adapters).filter(|(_, path, _)| !is_test(path));
    let named = sources.flat_map(|(folder, path, text)| in_source(folder, path, text, &names));
    named.chain(unlisted(files, &names)).collect()
}

/// Folders of providers that the list does not have.
fn unlisted(files: &Files, names: &BTreeSet<&str>) -> Vec<String> {
    let Some((_, text)) = files.below(CORE).find(|(path, _)| *path == DECLARATIONS) else { return Vec::new() };
    let list =
        text.split_once(&format!("const {LIST}:")).and_then(|(_, after)| after.split_once(';')).map_or("", |(list, _)| list);
    let is_listed = |name: &&&str| list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == **name);
    let missing = names.iter().filter(|name| !is_listed(name));
    missing.map(|name| format!("{CORE}/{DECLARATIONS}: {LIST} does not have the provider {name}")).collect()
}

/// Names of the folders in `provider`.
pub(super) fn names(files: &Files) -> BTreeSet<&str> {
    let inner = files.below(CORE).filter_map(|(path, _)| path.strip_prefix("provider/")?.split_once('/'));
    inner.map(|(folder, _)| folder).filter(|folder| *folder != "tests").collect()
}

fn in_source(folder: &str, path: &str, text: &str, names: &BTreeSet<&str>) -> Vec<String> {
    let own = path.strip_prefix("provider/").and_then(|path| path.split_once('/')).map(|(own, _)| own);
    let foreign: Vec<_> = names.iter().filter(|name| Some(**name) != own).collect();
    let tokens = match product(path, text) {
        Ok(tokens) if path == DECLARATIONS => without_declarations(&tokens),
        Ok(tokens) => tokens,
        Err(unreadable) => return vec![format!("{folder}/{unreadable}")],
    };
    let named = idents(&tokens).into_iter().filter(|ident| foreign.iter().any(|name| has_name(ident, name)));
    let explain =
        |ident: Ident| format!("{folder}/{path}:{}: {ident} contains the name of a provider", ident.span().start().line);
    named.map(explain).collect()
}

/// Removes the names of declared modules, and the list of providers.
fn without_declarations(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        let next = rest.as_slice().first();
        if is_ident(Some(token), "mod") {
            rest.next();
        } else if is_ident(Some(token), "const") && is_ident(next, LIST) {
            rest.by_ref().find(|token| is_punct(Some(token), ';'));
        } else {
            kept.push(token.clone());
        }
    }
    kept
}

/// Returns whether an identifier contains a name as whole words.
fn has_name(ident: &Ident, name: &str) -> bool {
    format!("_{}_", snake_case(&ident.to_string())).contains(&format!("_{name}_"))
}

fn snake_case(ident: &str) -> String {
    let mut snake = String::new();
    let mut was_lower = false;
    for c in ident.chars() {
        if c.is_uppercase() && was_lower {
            snake.push('_');
        }
        was_lower = !c.is_uppercase();
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &str, text: &str) -> Vec<String> {
        let path = format!("crates/{path}");
        let [wert, ramp] = ["wert", "ramp"].map(|name| format!("{CORE}/provider/{name}/mod.rs"));
        let files = Files::made_of(&[(&wert, "struct WertEvent;"), (&ramp, "struct Ramp;"), (&path, text)]);
        violations(&files).into_iter().filter(|violation| violation.contains("contains the name of a provider")).collect()
    }

    #[test]
    fn a_name_outside_its_folder_is_seen() {
        for text in ["use a::WertEvent;", "\nfn is_wert() {}", "const WERT_HORIZON: u8 = 0;", "m!(Kind::Wert)", "mod ramp;"] {
            let violations = with("onramp-webhooks/src/receiver/mod.rs", text);
            assert_eq!(violations.len(), 1, "{text}: {violations:?}");
            assert!(violations[0].ends_with("contains the name of a provider"));
        }
        assert_eq!(with("onramp-webhooks-axum/src/extract.rs", "struct Wert;").len(), 1);
        assert_eq!(with("onramp-webhooks/src/provider/ramp/event.rs", "struct Wert;").len(), 1);
        assert_eq!(with("onramp-webhooks/src/provider/mod.rs", "pub mod wert; pub use self::wert::Event;").len(), 1);
        assert_eq!(with("onramp-webhooks/src/provider/mod.rs", "const LIST: &[u8] = &[1]; const BEST: Wert = Wert;").len(), 2);
        assert_eq!(with("onramp-webhooks/src/provider/list.rs", "const LIST: &[Wert] = &[];").len(), 1);
    }

    #[test]
    fn strings_documentation_tests_and_lists_are_exempt() {
        for (path, text) in [
            ("onramp-webhooks/src/a.rs", "/// Wert.\nconst A: &str = \"wert\"; // Wert"),
            ("onramp-webhooks/src/a.rs", "#[cfg(test)]\nmod tests { use a::WertEvent; }"),
            ("onramp-webhooks/src/a.rs", "use onramp_webhooks::converted;"),
            ("onramp-webhooks/src/a/tests.rs", "use a::WertEvent;"),
            ("onramp-webhooks/src/lib.rs", "pub use a::WertEvent;"),
            (
                "onramp-webhooks/src/provider/mod.rs",
                "pub mod wert;\nmod ramp;\nconst LIST: &[A] = &[A::of::<wert::Wert>(), ramp::RAMP];",
            ),
            ("onramp-webhooks/src/provider/wert/event.rs", "struct WertEvent;"),
            ("onramp-webhooks-axum/src/lib.rs", "//! Wert."),
            ("onramp-webhooks-client/src/lib.rs", "struct Wert;"),
        ] {
            assert_eq!(with(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn a_provider_that_is_not_listed_is_seen() {
        let [wert, ramp] = ["wert", "ramp"].map(|name| format!("{CORE}/provider/{name}/mod.rs"));
        let list = |list: &str| {
            let text = format!("pub mod wert;\npub mod ramp;\nconst LIST: &[A] = &[{list}];");
            violations(&Files::made_of(&[(&wert, ""), (&ramp, ""), (&format!("{CORE}/{DECLARATIONS}"), &text)]))
        };
        assert_eq!(list("wert::A, ramp::B"), Vec::<String>::new());
        assert_eq!(list("wert::A"), ["crates/onramp-webhooks/src/provider/mod.rs: LIST does not have the provider ramp"]);
    }

    #[test]
    fn a_core_without_providers_is_seen() {
        assert_eq!(violations(&Files::made_of(&[("crates/onramp-webhooks/src/lib.rs", "")])).len(), 1);
    }
}
