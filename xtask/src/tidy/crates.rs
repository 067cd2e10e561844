//! The number of crates in the build of each published package, which does not grow unnoticed.

use serde_json::Value;

use super::quickstarts::Builds;

/// Published packages, and the maximum number of crates in the build of each with its default features, including its own.
pub(super) const PACKAGES: &[(&str, usize)] = &[
    ("onramp-webhooks", 54),
    ("onramp-webhooks-actix", 134),
    ("onramp-webhooks-axum", 75),
    ("onramp-webhooks-cli", 236),
    ("onramp-webhooks-client", 129),
    ("onramp-webhooks-inspector", 66),
    ("onramp-webhooks-postgres", 139),
    ("onramp-webhooks-redis", 100),
    ("onramp-webhooks-server", 70),
    ("onramp-webhooks-sqlite", 71),
    ("onramp-webhooks-testkit", 63),
    ("onramp-webhooks-warp", 97),
];

pub(super) fn violations(metadata: &Value, builds: &Builds) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let published = packages.iter().filter(|package| package["publish"].is_null()).filter_map(|package| package["name"].as_str());
    check(&published.collect::<Vec<_>>(), builds, PACKAGES)
}

fn check(published: &[&str], builds: &Builds, limits: &[(&str, usize)]) -> Vec<String> {
    let of_one = |package: &&str| match (builds.get(*package), limits.iter().find(|(name, _)| name == package)) {
        (Some(crates), Some((_, most))) if crates <= most => None,
        (Some(crates), Some((_, most))) => Some(format!("{package}: its build has {crates} crates, more than {most}")),
        _ => Some(format!("{package}: is not on the list in xtask/src/tidy/crates.rs")),
    };
    published.iter().filter_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_packages_that_are_not_listed_are_seen() {
        let builds = Builds::from([("a".to_owned(), 10), ("b".to_owned(), 10)]);
        assert_eq!(check(&["a"], &builds, &[("a", 10)]), Vec::<String>::new());
        assert_eq!(check(&["a"], &builds, &[("a", 9)]), ["a: its build has 10 crates, more than 9"]);
        assert_eq!(check(&["a", "b"], &builds, &[("a", 10)]), ["b: is not on the list in xtask/src/tidy/crates.rs"]);
    }
}
