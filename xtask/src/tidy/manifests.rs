//! Who depends on whom, and how.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use xshell::{Shell, cmd};

const ADAPTERS: [&str; 3] = ["onramp-webhooks-axum", "onramp-webhooks-actix", "onramp-webhooks-warp"];

/// Packages that may depend on an adapter.
const ABOVE: [&str; 8] = [
    "axum-shop",
    "actix-shop",
    "warp-shop",
    "onramp-webhooks-bench",
    "onramp-webhooks-cli",
    "onramp-webhooks-matrix",
    "onramp-webhooks-suite",
    "onramp-webhooks-tests",
];

/// What `cargo metadata` says of the workspace's packages.
pub(super) fn metadata(sh: &Shell) -> anyhow::Result<Value> {
    let metadata = cmd!(sh, "cargo metadata --no-deps --format-version 1 --locked").quiet().read()?;
    serde_json::from_str(&metadata).context("what cargo metadata prints")
}

pub(super) fn broken(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if packages.is_empty() {
        return vec!["cargo metadata: names no package".to_owned()];
    }
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent();
    let is_published = package["publish"].is_null();
    let mut broken = Vec::new();
    if is_published && folder.is_none_or(|folder| !folder.ends_with(Path::new("crates").join(name))) {
        broken.push(format!("{name}: is published, and its folder is not crates/{name}"));
    }
    for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let on = dependency["name"].as_str().unwrap_or_default();
        let is_dev = dependency["kind"] == "dev";
        if is_published && is_dev && dependency["path"].is_string() && dependency["req"] != "*" {
            broken.push(format!("{name}: its dev-dependency {on} has a version; only a path lets the package be published"));
        }
        if ADAPTERS.contains(&on) && !ABOVE.contains(&name) {
            broken.push(format!("{name}: depends on the adapter {on}"));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, folder: &str, dependencies: Value) -> Value {
        let manifest = format!("/house/{folder}/Cargo.toml");
        json!({ "packages": [{ "name": name, "manifest_path": manifest, "publish": null, "dependencies": dependencies }] })
    }

    #[test]
    fn a_version_among_dev_dependencies_is_seen() {
        let on = |req| json!([{ "name": "onramp-webhooks-testkit", "kind": "dev", "path": "/house", "req": req }]);
        assert_eq!(broken(&package("a", "crates/a", on("*"))), Vec::<String>::new());
        assert_eq!(broken(&package("a", "crates/a", on("^0.1.0"))).len(), 1);
    }

    #[test]
    fn who_depends_on_an_adapter_is_seen() {
        let on = json!([{ "name": "onramp-webhooks-axum", "kind": null, "req": "*" }]);
        assert_eq!(broken(&package("onramp-webhooks", "crates/onramp-webhooks", on)).len(), 1);
    }

    #[test]
    fn a_package_in_a_folder_of_another_name_is_seen() {
        assert_eq!(broken(&package("a", "crates/b", json!([]))).len(), 1);
        assert_eq!(broken(&json!({ "packages": [] })).len(), 1);
    }
}
