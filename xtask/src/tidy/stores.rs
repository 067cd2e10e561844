//! Stores have the same folders for their contracts, and the same files in them.

use std::collections::BTreeSet;

use super::files::Files;

/// Stores with an inbox. Their contracts must have the same files as those of the first store.
const INBOXES: [&str; 2] = ["crates/onramp-webhooks-sqlite/src", POSTGRES];

const POSTGRES: &str = "crates/onramp-webhooks-postgres/src";

/// Stores of idempotency keys only.
const OTHERS: [&str; 1] = ["crates/onramp-webhooks-redis/src"];

/// Contracts that a store may implement, each in a folder or a file with its name.
const CONTRACTS: [&str; 3] = ["inbox", "idempotency", "purchases"];

/// Operations of an inbox, one file each.
const INBOX: [&str; 7] = [
    "inbox/mod.rs",
    "inbox/record.rs",
    "inbox/claim.rs",
    "inbox/settle.rs",
    "inbox/requeue.rs",
    "inbox/query.rs",
    "inbox/prune.rs",
];

/// Files that only one store has.
const EXTRA: &[Extra] = &[
    Extra { store: POSTGRES, path: "inbox/lock.rs", reason: "SQLite locks the file and not rows" },
    Extra {
        store: POSTGRES,
        path: "inbox/fronts.rs",
        reason: "SQLite removes the index entries of what leaves the queue at once",
    },
    Extra { store: POSTGRES, path: "inbox/wakeups.rs", reason: "workers on other machines are notified" },
    Extra {
        store: POSTGRES,
        path: "inbox/writer.rs",
        reason: "a task batches what arrives during a commit; SQLite batches all its calls in db/",
    },
];

struct Extra {
    store: &'static str,
    path: &'static str,
    reason: &'static str,
}

pub(super) fn violations(files: &Files) -> Vec<String> {
    check(files, EXTRA)
}

fn check(files: &Files, extra: &[Extra]) -> Vec<String> {
    let mut violations = Vec::new();
    for store in INBOXES {
        violations.extend(missing(files, store));
        violations.extend(different(files, store, extra));
        violations.extend(absent(files, store, "purchases"));
    }
    for store in INBOXES.into_iter().chain(OTHERS) {
        violations.extend(["idempotency", "db"].into_iter().filter_map(|name| absent(files, store, name)));
    }
    let is_listed = |folder: &&str| INBOXES.contains(folder) || OTHERS.contains(folder);
    violations.extend(
        files
            .packages_with("db/mod.rs")
            .filter(|folder| !is_listed(folder))
            .map(|folder| format!("{folder}: has db/mod.rs like a store, and is not on a list in xtask/src/tidy/stores.rs")),
    );
    for Extra { store, path, reason } in extra {
        violations.extend(absent(files, store, path).map(|absent| format!("{absent}, which is on the list because {reason}")));
    }
    violations
}

/// Returns the operations that a store does not have.
fn missing(files: &Files, store: &str) -> Vec<String> {
    let missing = INBOX.iter().filter(|path| files.below(store).all(|(found, _)| found != **path));
    missing.map(|path| format!("{store}: has no {path}")).collect()
}

/// Returns a violation if a store has no file or folder with this name.
fn absent(files: &Files, store: &str, name: &str) -> Option<String> {
    let is_there = files.below(store).any(|(path, _)| path == name || top(path) == name);
    (!is_there).then(|| format!("{store}: has no {name}"))
}

/// Name of a file or folder directly below `src`.
fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// Paths inside the contracts that other stores must also have.
fn contracts<'a>(files: &'a Files, store: &'a str, extra: &[Extra]) -> BTreeSet<&'a str> {
    let paths = files.below(store).map(|(path, _)| path).filter(|path| CONTRACTS.contains(&top(path)));
    paths.filter(|path| extra.iter().all(|extra| (extra.store, extra.path) != (store, *path))).collect()
}

/// Returns the differences between a store's contracts and those of the first store.
fn different(files: &Files, store: &str, extra: &[Extra]) -> Vec<String> {
    let [first, ..] = INBOXES;
    let (expected, found) = (contracts(files, first, extra), contracts(files, store, extra));
    let explain = |store: &str, path: &&str, other: &str| {
        format!("{store}: has no {path}, which {other} has; add it, or list it with a reason in xtask/src/tidy/stores.rs")
    };
    let missing = expected.difference(&found).map(|path| explain(store, path, first));
    missing.chain(found.difference(&expected).map(|path| explain(first, path, store))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQLITE: &str = INBOXES[0];
    const POSTGRES: &str = INBOXES[1];
    const REDIS: &str = OTHERS[0];

    /// Returns the violations of three consistent stores after a change to their files.
    fn with(change: impl Fn(&mut BTreeSet<String>), extra: &[Extra]) -> Vec<String> {
        let mut paths = BTreeSet::new();
        for store in INBOXES {
            paths.extend(
                INBOX.iter().chain(&["idempotency.rs", "purchases/mod.rs", "db/mod.rs"]).map(|path| format!("{store}/{path}")),
            );
        }
        paths.extend(["idempotency/mod.rs", "db/connection.rs", "lib.rs"].map(|path| format!("{REDIS}/{path}")));
        change(&mut paths);
        check(&Files::made_of(&paths.iter().map(|path| (path.as_str(), "")).collect::<Vec<_>>()), extra)
    }

    #[test]
    fn stores_that_agree_are_fine() {
        assert_eq!(with(|_| {}, &[]), Vec::<String>::new());
    }

    #[test]
    fn missing_files_are_seen() {
        let without = |path: &'static str| with(move |paths| assert!(paths.remove(path)), &[]);
        assert_eq!(without("crates/onramp-webhooks-redis/src/idempotency/mod.rs"), [format!("{REDIS}: has no idempotency")]);
        assert_eq!(without("crates/onramp-webhooks-postgres/src/db/mod.rs"), [format!("{POSTGRES}: has no db")]);
        assert_eq!(without("crates/onramp-webhooks-sqlite/src/inbox/requeue.rs").len(), INBOXES.len());
        assert_eq!(without("crates/onramp-webhooks-sqlite/src/purchases/mod.rs").len(), INBOXES.len());
    }

    #[test]
    fn a_store_that_is_not_listed_is_seen() {
        let add = |paths: &mut BTreeSet<String>| assert!(paths.insert("crates/onramp-webhooks-mysql/src/db/mod.rs".to_owned()));
        assert_eq!(with(add, &[]).len(), 1);
    }

    #[test]
    fn files_of_one_store_need_a_reason() {
        let add = |paths: &mut BTreeSet<String>| assert!(paths.insert(format!("{SQLITE}/inbox/batch.rs")));
        let extra = [Extra { store: SQLITE, path: "inbox/batch.rs", reason: "one thread commits" }];
        assert_eq!(with(add, &[]).len(), INBOXES.len() - 1);
        assert_eq!(with(add, &extra), Vec::<String>::new());
        assert_eq!(
            with(|_| {}, &extra),
            [format!("{SQLITE}: has no inbox/batch.rs, which is on the list because one thread commits")]
        );
    }
}
