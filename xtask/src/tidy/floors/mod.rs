//! Modules of the core import only from floors (layers) below their own.

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use self::imports::{Import, imports};
use super::files::{Files, is_test};
use super::providers;

const CORE: &str = "crates/onramp-webhooks/src";

/// Modules at the top level of the core, from the lowest floor up. Modules on one floor may import each other without a cycle.
const FLOORS: [&[&str]; 10] = [
    &["clock", "error", "log_limit", "retry", "timeout", "panics", "request", "header_block", "body", "allow_list", "json"],
    &["client_ip", "event", "identity", "fingerprint"],
    &["provider"],
    &["delivery", "masking", "reply"],
    &["telemetry"],
    &["gate", "inbox", "page"],
    &["spill", "traffic"],
    &["worker"],
    &["attention", "purchases", "watchdog"],
    &["receiver", "extract", "idempotency"],
];

/// Modules with re-exports for users. They import from every floor, and no floor imports from them.
const ROOF: [&str; 3] = ["lib", "adapter", "store"];

/// The name of a module, the name of the module that it imports from, and the location in the source.
struct Edge {
    from: String,
    to: String,
    place: String,
}

pub(super) fn violations(files: &Files) -> Vec<String> {
    check(files, &FLOORS)
}

fn check(files: &Files, floors: &[&[&str]]) -> Vec<String> {
    let mut violations = differences(files, floors);
    let roots = root_names(files);
    let providers = providers::names(files);
    let mut edges = Vec::new();
    for (path, text) in files.below(CORE).filter(|(path, _)| !is_test(path)) {
        let module = module_of(path);
        let Some(from) = module.first().filter(|from| !ROOF.contains(&from.as_str())) else { continue };
        let imports = imports(path, text, &module).unwrap_or_else(|unreadable| {
            violations.push(format!("{CORE}/{unreadable}"));
            Vec::new()
        });
        for Import { line, path: target } in imports {
            let place = format!("{CORE}/{path}:{line}");
            violations.extend(between_providers(&module, &target, &providers).map(|why| format!("{place}: {why}")));
            match outside(&target, floors, &roots) {
                Some(why) => violations.push(format!("{place}: {why}")),
                None => edges.extend(target.into_iter().next().map(|to| Edge { from: from.clone(), to, place })),
            }
        }
    }
    violations.extend(upward(&edges, floors));
    violations.extend(loops(&edges, floors));
    violations
}

/// Returns modules that are on no floor, and names on floors without a module.
fn differences(files: &Files, floors: &[&[&str]]) -> Vec<String> {
    let there: BTreeSet<_> = files.below(CORE).filter_map(|(path, _)| module_of(path).into_iter().next()).collect();
    let listed: BTreeSet<_> = floors.iter().copied().flatten().map(|name| (*name).to_owned()).collect();
    let unlisted = there.difference(&listed).filter(|name| !ROOF.contains(&name.as_str()) && *name != "tests");
    let unlisted = unlisted.map(|name| format!("{CORE}: {name} is on no floor; add it to the list in xtask/src/tidy/floors"));
    let missing = listed.difference(&there);
    unlisted.chain(missing.map(|name| format!("{CORE}: {name} is on the list of floors, but there is no such module"))).collect()
}

/// Returns the path of a source's module.
fn module_of(path: &str) -> Vec<String> {
    let names = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/');
    names.filter(|name| *name != "lib").map(str::to_owned).collect()
}

/// Names that the crate's root re-exports, with the paths where they are defined.
fn root_names(files: &Files) -> BTreeMap<String, String> {
    let lib = files.below(CORE).find(|(path, _)| *path == "lib.rs").map_or("", |(_, text)| text);
    let exported = imports("lib.rs", lib, &[]).unwrap_or_default().into_iter().map(|import| import.path);
    exported.filter_map(|path| Some((path.last()?.clone(), path.join("::")))).collect()
}

/// Returns the reason why no module may use a path.
fn outside(target: &[String], floors: &[&[&str]], roots: &BTreeMap<String, String>) -> Option<String> {
    let first = target.first().map_or("*", String::as_str);
    if first == "*" {
        return Some("imports the crate's root; name the modules".to_owned());
    }
    if ROOF.contains(&first) {
        return Some(format!("imports from {first}, which is above all floors"));
    }
    if floor(floors, first).is_some() {
        return None;
    }
    Some(match roots.get(first) {
        Some(path) => format!("names crate::{first}, a re-export of the crate's root; name crate::{path}"),
        None => format!("names crate::{first}, and {first} is on no floor"),
    })
}

fn floor(floors: &[&[&str]], name: &str) -> Option<usize> {
    floors.iter().position(|floor| floor.contains(&name))
}

/// Returns the imports from a higher floor.
fn upward(edges: &[Edge], floors: &[&[&str]]) -> Vec<String> {
    let is_upward = |edge: &&Edge| floor(floors, &edge.from).is_some_and(|own| Some(own) < floor(floors, &edge.to));
    let explain = |Edge { from, to, place }: &Edge| format!("{place}: {from} imports from {to}, which is on a floor above");
    edges.iter().filter(is_upward).map(explain).collect()
}

/// Returns the imports that are part of a cycle on their floor.
fn loops(edges: &[Edge], floors: &[&[&str]]) -> Vec<String> {
    let is_level = |edge: &&Edge| edge.from != edge.to && floor(floors, &edge.from) == floor(floors, &edge.to);
    let level: Vec<_> = edges.iter().filter(is_level).collect();
    let looped = level.iter().filter(|edge| reaches(&level, &edge.to, &edge.from));
    looped.map(|Edge { from, to, place }| format!("{place}: {from} imports from {to}, which imports from {from}")).collect()
}

/// Returns whether one module imports from another, directly or through others.
fn reaches(edges: &[&Edge], from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        let targets = edges.iter().filter(|edge| edge.from == module).map(|edge| edge.to.as_str());
        next.extend(targets.filter(|target| seen.insert(target)));
    }
    seen.contains(to)
}

/// Returns the reason why a provider's folder must not use a path.
fn between_providers(module: &[String], target: &[String], providers: &BTreeSet<&str>) -> Option<String> {
    let folder = |path: &[String]| match path {
        [top, name, ..] if top == "provider" => providers.get(name.as_str()).copied(),
        _ => None,
    };
    let (from, to) = (folder(module)?, folder(target)?);
    (from != to).then(|| format!("the provider {from} imports from the provider {to}"))
}

#[cfg(test)]
mod tests;
