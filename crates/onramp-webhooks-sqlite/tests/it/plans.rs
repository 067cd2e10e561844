//! Query plans: receiving and handling must not slow down with the number of handled deliveries, nor a request with the number of
//! kept replies, so no statement on their way reads a whole table.

use onramp_webhooks::inbox::{SUSPECT_AFTER, State};
use onramp_webhooks_sqlite::SqliteInbox;
use rusqlite::Connection;

use crate::tools::{file, indexed_filters_look_at_few};

/// The sources that hold the statements, which are no part of the public interface.
const SOURCES: [(&str, &str); 8] = [
    ("inbox/history.rs", include_str!("../../src/inbox/history.rs")),
    ("inbox/claim.rs", include_str!("../../src/inbox/claim.rs")),
    ("inbox/queue.rs", include_str!("../../src/inbox/queue.rs")),
    ("idempotency/rows.rs", include_str!("../../src/idempotency/rows.rs")),
    ("inbox/record.rs", include_str!("../../src/inbox/record.rs")),
    ("inbox/resolve.rs", include_str!("../../src/inbox/resolve.rs")),
    ("inbox/settle.rs", include_str!("../../src/inbox/settle.rs")),
    ("purchases/rows.rs", include_str!("../../src/purchases/rows.rs")),
];

/// The statements of a source, with numbers for the names of states.
fn statements(source: &str) -> impl Iterator<Item = String> {
    let is_sql = |text: &&str| ["SELECT ", "UPDATE ", "INSERT ", "DELETE "].iter().any(|verb| text.starts_with(verb));
    source.split('"').filter(is_sql).map(with_numbers)
}

fn with_numbers(sql: &str) -> String {
    let named = State::ALL.iter().map(|state| (state.as_str().to_uppercase(), i64::from(state.as_u8())));
    let others = [("REMOVED", 254), ("ATTEMPTS_USED_UP", 0), ("FIRST", -1), ("SUSPECT_AFTER", SUSPECT_AFTER.into())];
    let source = include_str!("../../src/inbox/state.rs");
    let part = |name: &str| source.split(&format!("{name} = \"")).nth(1).unwrap().split('"').next().unwrap();
    let sql = sql.replace("{OPEN}", part("OPEN")).replace("{RESOLVED}", part("RESOLVED"));
    let named = named.chain(others.map(|(name, number)| (name.to_owned(), number)));
    named.fold(sql, |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()))
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps = explain.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

/// The lookups of filters, and the index that each reads.
const LOOKUPS: [(&str, &str); 6] = [
    ("WITH_KEY", "SEARCH onramp_deliveries USING COVERING INDEX onramp_deliveries_key (subject=? AND discriminator=?)"),
    ("OF_ORDER", "SEARCH onramp_deliveries USING COVERING INDEX onramp_deliveries_key (subject=?)"),
    ("NEXT_SUBJECT", "SEARCH onramp_deliveries USING COVERING INDEX onramp_deliveries_key (subject>?)"),
    ("DUE", "SCAN onramp_deliveries USING COVERING INDEX onramp_deliveries_due"),
    ("WAITING_BEHIND", "SCAN onramp_deliveries USING COVERING INDEX onramp_deliveries_behind"),
    ("UNRESOLVED", "SCAN onramp_deliveries USING INDEX onramp_deliveries_open"),
];

#[tokio::test]
async fn filters_read_their_indexes() {
    let (_folder, path) = file();
    let inbox = SqliteInbox::open(&path).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let source = include_str!("../../src/inbox/filter.rs");
    for (name, expected) in LOOKUPS {
        let is_before =
            |text: &&str| [format!("{name} ="), format!(" {name}: &str =")].iter().any(|start| text.trim_end().ends_with(start));
        let sql = source.split('"').skip_while(|text| !is_before(text)).nth(1).unwrap();
        assert_eq!(plan(&connection, &with_numbers(sql)), [expected], "{sql}");
    }
    let counts = include_str!("../../src/inbox/query.rs").split("OPEN_COUNTS = \"").nth(1).unwrap().split('"').next().unwrap();
    let plan = plan(&connection, &with_numbers(counts));
    for index in ["onramp_deliveries_due", "onramp_deliveries_behind", "onramp_deliveries_open"] {
        assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
    }
    indexed_filters_look_at_few(&inbox).await;
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let (_folder, path) = file();
    let _inbox = SqliteInbox::open(&path).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let mut seen = 0;
    for (file, source) in SOURCES {
        for sql in statements(source) {
            seen += 1;
            for step in plan(&connection, &sql) {
                let reads_all = step.starts_with("SCAN")
                    && !step.contains("onramp_noise")
                    && !step.starts_with("SCAN (")
                    && step != "SCAN CONSTANT ROW";
                assert!(!reads_all, "{file}: {step}\n{sql}");
                // A claim that looks at all of an order for each of its events would cost the square of them.
                assert!(!step.starts_with("CORRELATED"), "{file}: {step}\n{sql}");
                assert!(
                    !step.contains("ORDER BY") || sql.contains("onramp_noise"),
                    "{file}: sorts all that is due: {step}\n{sql}"
                );
            }
        }
    }
    assert!(seen >= 18, "only {seen} statements were found");
}
