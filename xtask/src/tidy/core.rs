//! The core uses no framework, no `http` crate and no SQL.

use super::files::{Files, code};

const CORE: &str = "crates/onramp-webhooks/src";

/// Paths that only an adapter or a store may use.
const OUTSIDE: [&str; 9] =
    ["axum::", "actix_web::", "warp::", "http::", "hyper::", "tower_service::", "rusqlite::", "sqlx::", "redis::"];

pub(super) fn violations(files: &Files) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, text) in files.below(CORE) {
        for (line, code) in code(text) {
            violations.extend(
                OUTSIDE
                    .iter()
                    .filter(|outside| uses(code, outside))
                    .map(|outside| format!("{CORE}/{path}:{line}: uses {outside}")),
            );
        }
    }
    violations
}

/// Returns whether a line contains a path, and not only a longer path that ends with it.
fn uses(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        !code.get(..at).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_in_the_core_is_seen() {
        let files = Files::made_of(&[
            ("crates/onramp-webhooks/src/a.rs", "use axum::Router;\n// use warp::Filter;\nlet a = onramp_webhooks_axum::x();\n"),
            ("crates/onramp-webhooks-axum/src/b.rs", "use axum::Router;\n"),
        ]);
        assert_eq!(violations(&files), ["crates/onramp-webhooks/src/a.rs:1: uses axum::"]);
    }
}
