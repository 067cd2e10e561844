//! Adapters contain no decisions, have the same files and public names, and stay small.

use std::collections::BTreeSet;

use super::files::{Files, code};

/// Sources of each adapter.
pub(super) const ADAPTERS: [&str; 3] =
    ["crates/onramp-webhooks-axum/src", "crates/onramp-webhooks-actix/src", "crates/onramp-webhooks-warp/src"];

/// The maximum number of lines of code of an adapter, without documentation.
const MOST_LINES: usize = 350;

/// The only status that an adapter sets itself, if the reply of the core cannot be sent.
const OWN_ERROR: &str = "StatusCode::INTERNAL_SERVER_ERROR";

pub(super) fn violations(files: &Files) -> Vec<String> {
    let mut violations = Vec::new();
    for adapter in ADAPTERS {
        let lines: usize = files.below(adapter).map(|(_, text)| code(text).count()).sum();
        if lines > MOST_LINES {
            violations.push(format!("{adapter}: has {lines} lines of code, more than {MOST_LINES}"));
        }
        for (path, text) in files.below(adapter) {
            let decisions = code(text).filter_map(|(line, code)| Some((line, decision(code)?)));
            violations.extend(decisions.map(|(line, what)| format!("{adapter}/{path}:{line}: {what}: the core decides")));
        }
    }
    violations.extend(alike("files", |adapter| files.below(adapter).map(|(path, _)| path.to_owned()).collect()));
    violations.extend(alike("public names", |adapter| names(files, adapter)));
    violations.extend(files.packages_with("routes.rs").filter(|package| !ADAPTERS.contains(package)).map(|package| {
        format!("{package}: has routes.rs like an adapter, and is not on the list in xtask/src/tidy/adapters.rs")
    }));
    violations
}

/// Returns whether a package is an adapter.
pub(super) fn is_adapter(package: &str) -> bool {
    ADAPTERS.iter().any(|adapter| adapter.split('/').nth(1) == Some(package))
}

/// Returns a description of the decision in a line of code.
fn decision(code: &str) -> Option<&'static str> {
    let code = code.replace(OWN_ERROR, "");
    let words = || code.split(|c: char| !c.is_alphanumeric() && c != '_');
    let is_constant = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let is_status = |word: &str| word.len() == 3 && matches!(word.parse(), Ok(100..600_u16));
    if code.contains("StatusCode::") && words().any(is_constant) {
        return Some("names a status");
    }
    if words().any(is_status) {
        return Some("has the number of a status");
    }
    if code.contains("json") || code.contains("Json") {
        return Some("has JSON");
    }
    let constants = code.split("header::").skip(1).map(|after| after.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    (constants.flatten().any(is_constant) || code.contains("HeaderName::from_static")).then_some("names a header")
}

/// Names that an adapter's `lib.rs` exports.
fn names(files: &Files, adapter: &str) -> BTreeSet<String> {
    let lib = files.below(adapter).find(|(path, _)| *path == "lib.rs").map_or("", |(_, text)| text);
    let exported = code(lib).filter_map(|(_, code)| code.strip_prefix("pub use ")?.strip_suffix(';'));
    let names = exported.flat_map(|path| path.rsplit_once("::").map_or(path, |(_, names)| names).split([',', '{', '}']));
    names.map(|name| name.rsplit(" as ").next().unwrap_or(name).trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Compares every adapter with the first.
fn alike(what: &str, of: impl Fn(&str) -> BTreeSet<String>) -> Vec<String> {
    let [first, others @ ..] = ADAPTERS;
    let expected = of(first);
    let differ = others.into_iter().filter_map(|adapter| {
        let found = of(adapter);
        let differences: Vec<_> = expected.symmetric_difference(&found).map(String::as_str).collect();
        (!differences.is_empty()).then(|| format!("{adapter}: has different {what} than {first}: {}", differences.join(", ")))
    });
    differ.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_seen() {
        for line in [
            "return StatusCode::NOT_FOUND.into_response()",
            "builder.status(404)",
            "let status = 503;",
            "serde_json::to_vec(&body)",
            "HttpResponse::Ok().json(body)",
            "headers.insert(header::CONTENT_TYPE, value)",
        ] {
            assert!(decision(line).is_some(), "{line}");
        }
        for line in [
            "StatusCode::from_u16(reply.status())",
            "response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())",
            "let address = 1_024;",
            "use axum::http::{HeaderMap, StatusCode};",
            "use actix_web::http::header::HeaderMap;",
            "warp::header::headers_cloned()",
        ] {
            assert_eq!(decision(line), None, "{line}");
        }
    }

    #[test]
    fn other_files_and_other_names_are_seen() {
        let lib = "pub use onramp_webhooks as core;\npub use self::extract::{Client, Received};\npub use self::routes::routes;\n";
        let without = "pub use onramp_webhooks as core;\npub use self::extract::{Received};\npub use self::routes::routes;\n";
        let mut files = Vec::new();
        let paths: Vec<_> =
            ADAPTERS.iter().map(|adapter| (format!("{adapter}/lib.rs"), format!("{adapter}/routes.rs"))).collect();
        for (lib_path, routes) in &paths {
            files.extend([(lib_path.as_str(), lib), (routes.as_str(), "")]);
        }
        assert_eq!(violations(&Files::made_of(&files)), Vec::<String>::new());
        files[4].1 = without;
        files.remove(3);
        let violations = violations(&Files::made_of(&files));
        assert_eq!(violations.len(), 2, "{violations:?}");
        assert!(violations[0].ends_with("routes.rs") && violations[1].ends_with("Client"), "{violations:?}");
    }

    #[test]
    fn an_adapter_that_is_not_listed_is_seen() {
        let violations = violations(&Files::made_of(&[("crates/onramp-webhooks-rocket/src/routes.rs", "")]));
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].starts_with("crates/onramp-webhooks-rocket/src: "), "{violations:?}");
    }

    #[test]
    fn a_large_adapter_is_seen() {
        let large = "let a = b;\n".repeat(MOST_LINES + 1);
        let small = "/// Documentation.\n".repeat(MOST_LINES + 1);
        let paths = ADAPTERS.map(|adapter| format!("{adapter}/lib.rs"));
        let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), small.as_str())).collect();
        files[0].1 = &large;
        assert_eq!(violations(&Files::made_of(&files)).len(), 1);
    }
}
