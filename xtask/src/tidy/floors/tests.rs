//! Violations of the floors.

use super::*;

const SMALL: [&[&str]; 3] = [&["clock", "body"], &["event", "identity"], &["worker", "receiver"]];

/// Checks one source beside a complete set of empty ones.
fn with(path: &str, text: &str) -> Vec<String> {
    let mut files: BTreeMap<String, &str> =
        SMALL.iter().copied().flatten().map(|name| (format!("{CORE}/{name}.rs"), "")).collect();
    files.insert(format!("{CORE}/lib.rs"), "pub use self::worker::{Worker, WorkerBuilder as Builder};\n");
    files.insert(format!("{CORE}/{path}"), text);
    check(&made_of(&files), &SMALL)
}

fn made_of(files: &BTreeMap<String, &str>) -> Files {
    Files::made_of(&files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>())
}

fn one(path: &str, text: &str) -> String {
    let mut violations = with(path, text);
    assert_eq!(violations.len(), 1, "{path}: {text}: {violations:?}");
    violations.remove(0)
}

#[test]
fn imports_from_below_and_from_neighbours_are_fine() {
    for text in [
        "use crate::clock::Clock;",
        "use crate::{clock, body::Body};",
        "use crate::identity::Key;",
        "use super::clock;",
        "use crate::event::X;",
        "use std::fmt;",
        "#[cfg(test)]\nmod tests { use crate::worker; }",
        "#[cfg(doc)]\nuse crate::worker::Worker;",
        "/// See [`crate::worker`].\nstruct A;",
    ] {
        assert_eq!(with("event.rs", text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(with("event/tests.rs", "use crate::worker;"), Vec::<String>::new());
    assert_eq!(with("adapter.rs", "use crate::worker;"), Vec::<String>::new());
}

#[test]
fn imports_from_above_are_seen() {
    for text in [
        "use crate::worker::Worker;",
        "use super::worker::Worker;",
        "use crate::{\n    clock,\n    worker::{\n        Worker,\n    },\n};",
        "fn a() { crate::worker::run() }",
        "macro_rules! a { () => { $crate::worker::run() } }",
    ] {
        assert!(one("event.rs", text).ends_with("event imports from worker, which is on a floor above"), "{text}");
    }
    assert!(one("event/amount/mod.rs", "\nuse super::super::worker;").starts_with(&format!("{CORE}/event/amount/mod.rs:2: ")));
}

#[test]
fn loops_between_neighbours_are_seen() {
    let mut files: BTreeMap<_, _> = SMALL.iter().copied().flatten().map(|name| (format!("{CORE}/{name}.rs"), "")).collect();
    files.insert(format!("{CORE}/event.rs"), "use crate::identity::Key;");
    assert_eq!(check(&made_of(&files), &SMALL), Vec::<String>::new());
    files.insert(format!("{CORE}/identity.rs"), "use crate::event::Event;");
    let violations = check(&made_of(&files), &SMALL);
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].contains("event imports from identity, which imports from event"), "{violations:?}");
}

#[test]
fn longer_loops_are_seen() {
    let floors: [&[&str]; 1] = [&["a", "b", "c"]];
    let paths = ["a", "b", "c"].map(|name| format!("{CORE}/{name}.rs"));
    let [a, b, c] = &paths;
    let files = Files::made_of(&[(a, "use crate::b;"), (b, "use crate::c;"), (c, "use crate::a;")]);
    assert_eq!(check(&files, &floors).len(), 3);
}

#[test]
fn the_roof_and_re_exports_of_the_root_are_seen() {
    assert!(one("worker.rs", "use crate::store::Inbox;").contains("store, which is above all floors"));
    assert!(one("event.rs", "use crate::Worker;").ends_with("name crate::worker::Worker"));
    assert!(one("event.rs", "use crate::unknown::X;").contains("on no floor"));
    assert!(one("event.rs", "use crate::*;").contains("the crate's root"));
}

#[test]
fn the_list_is_complete() {
    assert!(one("news.rs", "").contains("news is on no floor"));
    assert!(one("news/mod.rs", "use crate::worker::Worker;").contains("news is on no floor"));
    let floors: [&[&str]; 1] = [&["a", "b"]];
    let violations = check(&Files::made_of(&[(&format!("{CORE}/a.rs"), "")]), &floors);
    assert_eq!(violations, [format!("{CORE}: b is on the list of floors, but there is no such module")]);
}

#[test]
fn imports_between_providers_are_seen() {
    let floors: [&[&str]; 1] = [&["provider"]];
    let check_first = |text: &str| {
        let paths = ["first/mod.rs", "second/mod.rs", "facts.rs"].map(|path| format!("{CORE}/provider/{path}"));
        let [first, second, facts] = &paths;
        check(&Files::made_of(&[(first, text), (second, ""), (facts, "")]), &floors)
    };
    assert_eq!(check_first("use crate::provider::facts::Facts; use super::facts; use self::a::B;"), Vec::<String>::new());
    for text in ["use crate::provider::second::Event;", "use super::second;", "use super::super::provider::second::A;"] {
        let violations = check_first(text);
        assert_eq!(violations.len(), 1, "{text}: {violations:?}");
        assert!(violations[0].ends_with("the provider first imports from the provider second"));
    }
}
