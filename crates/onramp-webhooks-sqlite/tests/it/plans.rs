//! Query plans: receiving and handling must not slow down with the number of handled deliveries, nor a request with the number of
//! kept replies, so no statement on their way reads a whole table.

use onramp_webhooks::inbox::{SUSPECT_AFTER, State};
use onramp_webhooks_sqlite::SqliteInbox;
use rusqlite::Connection;

use crate::tools::file;

/// The sources that hold the statements, which are no part of the public interface.
const SOURCES: [(&str, &str); 6] = [
    ("inbox/claim.rs", include_str!("../../src/inbox/claim.rs")),
    ("inbox/queue.rs", include_str!("../../src/inbox/queue.rs")),
    ("idempotency/rows.rs", include_str!("../../src/idempotency/rows.rs")),
    ("inbox/record.rs", include_str!("../../src/inbox/record.rs")),
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
    let named = named.chain(others.map(|(name, number)| (name.to_owned(), number)));
    named.fold(sql.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()))
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps = explain.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
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
