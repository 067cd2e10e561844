//! Query plans: receiving and handling must not slow down with the number of handled deliveries, nor a request with the number of
//! kept replies, so no statement on their way reads a whole table.

use onramp_webhooks_sqlite::SqliteInbox;
use rusqlite::Connection;

use crate::tools::file;

/// The sources that hold the statements, which are no part of the public interface.
const SOURCES: [(&str, &str); 5] = [
    ("claim.rs", include_str!("../../src/claim.rs")),
    ("idempotency.rs", include_str!("../../src/idempotency.rs")),
    ("record.rs", include_str!("../../src/record.rs")),
    ("settle.rs", include_str!("../../src/settle.rs")),
    ("started.rs", include_str!("../../src/started.rs")),
];

fn statements(source: &str) -> impl Iterator<Item = &str> {
    let is_sql = |text: &&str| ["SELECT ", "UPDATE ", "INSERT ", "DELETE "].iter().any(|verb| text.starts_with(verb));
    source.split('"').filter(is_sql)
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
            for step in plan(&connection, sql) {
                let reads_all = step.starts_with("SCAN")
                    && !step.contains("onramp_junk")
                    && !step.starts_with("SCAN (")
                    && step != "SCAN CONSTANT ROW";
                assert!(!reads_all, "{file}: {step}\n{sql}");
                // A claim that looks at all of an order for each of its events would cost the square of them.
                assert!(!step.starts_with("CORRELATED"), "{file}: {step}\n{sql}");
                assert!(
                    !step.contains("ORDER BY") || sql.contains("onramp_junk"),
                    "{file}: sorts all that is due: {step}\n{sql}"
                );
            }
        }
    }
    assert!(seen >= 18, "only {seen} statements were found");
}
