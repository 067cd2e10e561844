//! The oldest compiler of each published package is not older than those of the crates that it builds.
//!
//! Crates declare it themselves, so this reads the resolution and compiles nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::Value;
use xshell::{Shell, cmd};

/// Returns all packages of the lock file, and who depends on whom.
///
/// # Errors
/// Returns an error if cargo fails or prints no JSON.
pub(super) fn resolution(sh: &Shell) -> anyhow::Result<Value> {
    let metadata = cmd!(sh, "cargo metadata --format-version 1 --locked").quiet().read()?;
    serde_json::from_str(&metadata).context("reading the output of cargo metadata")
}

pub(super) fn violations(resolution: &Value) -> Vec<String> {
    let packages: BTreeMap<_, _> = list(&resolution["packages"]).map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<_, _> = nodes(resolution).map(|node| (text(&node["id"]), node)).collect();
    let members = list(&resolution["workspace_members"]).filter_map(|member| packages.get(text(member)));
    let published = members.filter(|package| package["publish"].is_null());
    published.flat_map(|package| too_old(package, &packages, &nodes)).collect()
}

fn nodes(resolution: &Value) -> impl Iterator<Item = &Value> {
    let resolve = &resolution["resolve"];
    list(&resolve["nodes"])
}

fn too_old(package: &Value, packages: &BTreeMap<&str, &Value>, nodes: &BTreeMap<&str, &Value>) -> Vec<String> {
    let (name, own) = (text(&package["name"]), version(package));
    let newer =
        builds(text(&package["id"]), nodes).into_iter().filter_map(|id| packages.get(id)).filter(|used| version(used) > own);
    newer
        .map(|used| {
            format!("{name}: its rust-version is older than {}, that of {}", text(&used["rust_version"]), text(&used["name"]))
        })
        .collect()
}

/// Returns the packages in the build of a package, without those of its tests.
fn builds<'a>(id: &'a str, nodes: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let dependencies = nodes.get(id).into_iter().flat_map(|node| list(&node["deps"]));
            let built = dependencies.filter(|dependency| list(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
            open.extend(built.map(|dependency| text(&dependency["pkg"])));
        }
    }
    found
}

/// Returns the three numbers of a package's `rust-version`, which are 0 if it declares none.
fn version(package: &Value) -> [u32; 3] {
    let mut numbers = text(&package["rust_version"]).split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(rust_version: &str, kind: &Value) -> Vec<String> {
        violations(&json!({
            "packages": [
                { "id": "a", "name": "a", "publish": null, "rust_version": "1.89" },
                { "id": "b", "name": "b", "publish": null, "rust_version": rust_version },
            ],
            "workspace_members": ["a"],
            "resolve": { "nodes": [{ "id": "a", "deps": [{ "pkg": "b", "dep_kinds": [{ "kind": kind }] }] }] },
        }))
    }

    #[test]
    fn a_dependency_that_needs_a_newer_compiler_is_seen() {
        assert_eq!(with("1.89.1", &Value::Null), ["a: its rust-version is older than 1.89.1, that of b"]);
        assert_eq!(with("1.100", &json!("build")).len(), 1);
        assert!(with("1.89.0", &Value::Null).is_empty() && with("1.9", &Value::Null).is_empty());
        assert!(with("1.100", &json!("dev")).is_empty());
    }
}
