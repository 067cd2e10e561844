//! Dependencies point inward, and published packages can be published.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use xshell::{Shell, cmd};

use super::adapters::is_adapter;

/// Folders of packages that may depend on an adapter, in addition to the command line.
const ABOVE: [&str; 4] = ["bench", "examples", "tests", "crates/onramp-webhooks-cli"];

/// Returns the packages of the workspace as `cargo metadata` prints them.
///
/// # Errors
/// Returns an error if cargo fails or prints no JSON.
pub(super) fn metadata(sh: &Shell) -> anyhow::Result<Value> {
    let metadata = cmd!(sh, "cargo metadata --no-deps --format-version 1 --locked").quiet().read()?;
    serde_json::from_str(&metadata).context("reading the output of cargo metadata")
}

pub(super) fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if packages.is_empty() {
        return vec!["cargo metadata: contains no package".to_owned()];
    }
    let root = Path::new(metadata["workspace_root"].as_str().unwrap_or_default());
    packages.iter().flat_map(|package| of_package(package, root)).collect()
}

fn of_package(package: &Value, root: &Path) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(manifest);
    let is_published = package["publish"].is_null();
    let is_above = ABOVE.iter().any(|above| folder.starts_with(above));
    let mut violations = Vec::new();
    if is_published && folder != Path::new("crates").join(name) {
        violations.push(format!("{name}: is published, and its folder is not crates/{name}"));
    }
    for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let on = dependency["name"].as_str().unwrap_or_default();
        let is_dev = dependency["kind"] == "dev";
        if is_published && is_dev && dependency["path"].is_string() && dependency["req"] != "*" {
            violations.push(format!("{name}: its dev-dependency {on} has a version; only a path lets the package be published"));
        }
        if is_adapter(on) && !is_above {
            violations.push(format!("{name}: depends on the adapter {on}"));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, folder: &str, dependencies: Value) -> Value {
        let manifest = format!("/house/{folder}/Cargo.toml");
        json!({ "workspace_root": "/house", "packages": [{ "name": name, "manifest_path": manifest, "publish": null, "dependencies": dependencies }] })
    }

    #[test]
    fn a_version_among_dev_dependencies_is_seen() {
        let on = |req| json!([{ "name": "onramp-webhooks-testkit", "kind": "dev", "path": "/house", "req": req }]);
        assert_eq!(violations(&package("a", "crates/a", on("*"))), Vec::<String>::new());
        assert_eq!(violations(&package("a", "crates/a", on("^0.1.0"))).len(), 1);
    }

    #[test]
    fn a_dependency_on_an_adapter_is_seen() {
        let on = json!([{ "name": "onramp-webhooks-axum", "kind": null, "req": "*" }]);
        assert_eq!(violations(&package("onramp-webhooks", "crates/onramp-webhooks", on.clone())).len(), 1);
        assert_eq!(violations(&package("onramp-webhooks-cli", "crates/onramp-webhooks-cli", on)), Vec::<String>::new());
    }

    #[test]
    fn a_package_in_a_folder_of_another_name_is_seen() {
        assert_eq!(violations(&package("a", "crates/b", json!([]))).len(), 1);
        assert_eq!(violations(&json!({ "packages": [] })).len(), 1);
    }
}
