//! Query plans: no statement may slow down with the number of handled deliveries, or with those that wait behind a head or for their time.

use onramp_webhooks::inbox::{Inbox, QuarantineBound, SUSPECT_AFTER, State};
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use crate::tools::{TestSchema, claim, connection, purchase, record};

/// The sources that hold the statements, which are no part of the public interface.
const SOURCES: [&str; 5] = [
    include_str!("../../src/inbox/claim.rs"),
    include_str!("../../src/inbox/lock.rs"),
    include_str!("../../src/inbox/queue.rs"),
    include_str!("../../src/inbox/record.rs"),
    include_str!("../../src/inbox/settle.rs"),
];

/// A statement, with numbers for the names of constants.
fn statement(name: &str) -> String {
    let is_before =
        |source: &&str| source.ends_with(&format!(" {name} = ")) || source.ends_with(&format!("const {name}: &str = "));
    let text = SOURCES.iter().find_map(|source| source.split('"').skip_while(|part| !is_before(part)).nth(1)).unwrap();
    let named = State::ALL.iter().map(|state| (state.as_str().to_uppercase(), u32::from(state.as_u8())));
    let named = named.chain([("UNPLACED".to_owned(), 0), ("SUSPECT_AFTER".to_owned(), SUSPECT_AFTER)]);
    named.fold(text.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()))
}

/// A statement with values for its parameters, and the indexes that it has to use.
struct Case {
    name: &'static str,
    types: &'static str,
    values: &'static str,
    indexes: &'static [&'static str],
}

const CANDIDATES: Case = Case {
    name: "CANDIDATES",
    types: "(bigint, bigint, text[], bigint[])",
    values: "(32, 1700000000000, '{}', '{}')",
    indexes: &["deliveries_due", "deliveries_lost"],
};
const LEASE: Case = Case {
    name: "LEASE",
    types: "(bigint[], bigint, bigint)",
    values: "('{1,2,3,4,5}', 1700000000000, 1700000000001)",
    indexes: &["deliveries_pkey", "deliveries_handled"],
};
const PROMOTE: Case = Case {
    name: "PROMOTE",
    types: "(bytea[])",
    values: "(ARRAY[sha256('hot'), sha256('none')])",
    indexes: &["deliveries_behind", "deliveries_pkey"],
};
const LOCK_HEAD: Case = Case { name: "LOCK_HEAD", types: "(bytea)", values: "(sha256('hot'))", indexes: &["deliveries_head"] };
const SETTLE: Case = Case {
    name: "SETTLE",
    types: "(bigint[], bigint[], smallint[], bigint[], bigint[], bigint[], text[], smallint[])",
    values: "('{1}', '{1}', '{4}', '{NULL}', '{0}', '{1}', '{NULL}', '{NULL}')",
    indexes: &["deliveries_pkey"],
};
const INSERT: Case = Case {
    name: "INSERT",
    types: "",
    values: "('{wert}', '{wert}', '{x}', '{hot}', '{new}', ARRAY[sha256('new')], '{NULL}', '{1}', ARRAY[sha256('hot')],
        ARRAY[sha256('')], '{0}', '{0}', '{NULL}', '{NULL}', ARRAY[''::bytea], '{true}')",
    indexes: &["deliveries_head"],
};

impl Case {
    /// Explains the statement, with the plan of a connection that runs it often.
    async fn explain(&self, connection: &mut PgConnection, schema: &TestSchema, how: &str) -> String {
        let prepare = format!("DEALLOCATE ALL; PREPARE it{} AS {}", self.types, statement(self.name));
        raw_sql(schema.sql(&prepare)).execute(&mut *connection).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN {how} EXECUTE it{}", self.values));
        let lines: Vec<(String,)> = sqlx::query_as(explain).persistent(false).fetch_all(connection).await.unwrap();
        lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n")
    }

    async fn assert_by_index(&self, connection: &mut PgConnection, schema: &TestSchema, when: &str) {
        for mode in ["force_generic_plan", "force_custom_plan"] {
            raw_sql(AssertSqlSafe(format!("SET plan_cache_mode = {mode}"))).execute(&mut *connection).await.unwrap();
            let plan = self.explain(connection, schema, "").await;
            for index in self.indexes {
                assert!(plan.contains(&format!("{index} ")), "{when}, {}, {mode}: without {index}:\n{plan}", self.name);
            }
            assert!(!plan.contains("Seq Scan"), "{when}, {}, {mode}: reads the whole table:\n{plan}", self.name);
        }
    }

    /// Runs the statement, and returns the number of rows that it read from the table.
    async fn rows_read(&self, connection: &mut PgConnection, schema: &TestSchema) -> u64 {
        let plan = self.explain(connection, schema, "(ANALYZE, TIMING OFF, COSTS OFF)").await;
        let mut rows = 0;
        let mut loops = 0;
        for line in plan.lines() {
            if let Some((_, actual)) = line.split_once("(actual rows=") {
                let (read, times) = actual.trim_end_matches(')').split_once(" loops=").unwrap();
                loops = if line.contains("Scan") && line.contains("deliveries") { times.parse().unwrap() } else { 0 };
                rows += read.parse::<u64>().unwrap() * loops;
            } else if let Some((_, removed)) = line.split_once("Rows Removed by Filter: ") {
                rows += removed.parse::<u64>().unwrap() * loops;
            }
        }
        rows
    }
}

async fn assert_flat(connection: &mut PgConnection, schema: &TestSchema, when: &str) {
    for case in [CANDIDATES, LEASE, PROMOTE, LOCK_HEAD, SETTLE, INSERT] {
        case.assert_by_index(connection, schema, when).await;
    }
}

/// Connects with the settings of a transaction that uses its indexes.
async fn by_index() -> PgConnection {
    let mut connection = connection().await;
    let by_index = "SET jit = off; SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off";
    raw_sql(by_index).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test]
async fn every_statement_uses_its_indexes() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let mut connection = by_index().await;
    assert_flat(&mut connection, &schema, "of an empty table").await;
    // Handled ones by the thousand, a few that are due, and some that are leased and wait.
    let fill =
        "INSERT INTO onramp.deliveries (endpoint, provider, subject, discriminator, key, stage, order_key, fingerprint, state,
            due_at, lease_until, received_at, settled_at)
        SELECT 'wert', 'wert', 'wert/order/' || n, 'x', sha256(n::text::bytea), 1, sha256(n::text::bytea), sha256(''),
            CASE WHEN n % 1000 = 0 THEN 1 WHEN n % 1000 = 1 THEN 2 WHEN n % 100 = 2 THEN 0 ELSE 4 END,
            CASE WHEN n % 1000 = 0 THEN 0 WHEN n % 1000 = 1 THEN 1800000000000 WHEN n % 100 = 2 THEN 0 END,
            CASE WHEN n % 1000 = 0 THEN 1800000000000 END, 0, CASE WHEN n % 100 > 2 THEN 0 END
        FROM generate_series(1, 50000) AS n";
    raw_sql(schema.sql(fill)).execute(&mut connection).await.unwrap();
    raw_sql(schema.sql("INSERT INTO onramp.bodies SELECT id, '' FROM onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "without statistics").await;
    raw_sql(schema.sql("ANALYZE onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with statistics").await;
    // A backlog, as of workers that were away.
    let backlog = "UPDATE onramp.deliveries SET state = 0, due_at = 0, settled_at = NULL WHERE id % 2 = 0";
    raw_sql(schema.sql(backlog)).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with a backlog").await;
    raw_sql(schema.sql("ANALYZE onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with statistics of a backlog").await;
    assert_eq!(claim(&inbox, 32).await.len(), 32);
    record(&inbox, purchase()).await;
    inbox.check().await.unwrap();
}

/// One order has a hundred thousand events behind its head, and a million deliveries are parked.
#[tokio::test]
async fn rows_that_wait_are_not_read() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let mut connection = by_index().await;
    let fill = "SET synchronous_commit = off;
        INSERT INTO onramp.deliveries (endpoint, provider, subject, stage, order_key, fingerprint, state, due_at, waits_at, received_at)
        SELECT 'wert', 'wert', 'hot', 1, sha256('hot'), sha256(''), 0, CASE n WHEN 1 THEN 0 END, CASE WHEN n > 1 THEN 0 END, 0
        FROM generate_series(1, 100000) AS n;
        INSERT INTO onramp.deliveries (endpoint, provider, fingerprint, state, due_at, received_at)
        SELECT 'wert', 'wert', sha256(''), 3, 1800000000000, 0 FROM generate_series(1, 1000000) AS n";
    raw_sql(schema.sql(fill)).execute(&mut connection).await.unwrap();
    assert_eq!(claim(&inbox, 32).await.len(), 1);
    for analyze in ["", "ANALYZE onramp.deliveries"] {
        raw_sql(schema.sql(analyze)).execute(&mut connection).await.unwrap();
        for (case, before, most) in [
            (CANDIDATES, "", 5),
            (LEASE, "", 20),
            (LOCK_HEAD, "", 1),
            (SETTLE, "", 1),
            (INSERT, "", 2),
            (PROMOTE, "UPDATE onramp.deliveries SET due_at = NULL WHERE id = 1", 2),
        ] {
            raw_sql(schema.sql(&format!("BEGIN; {before}"))).execute(&mut connection).await.unwrap();
            let read = case.rows_read(&mut connection, &schema).await;
            assert!((1..=most).contains(&read), "{}: reads {read} rows {analyze}", case.name);
            raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
        }
    }
}

/// Rows that are only leased stay where they are in all indexes.
#[tokio::test]
async fn claims_and_renewals_write_to_no_index() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    for _ in 0..5 {
        record(&inbox, purchase()).await;
    }
    let mut connection = by_index().await;
    let prepare = format!("PREPARE lease{} AS {}; PREPARE renew AS {}", LEASE.types, statement("LEASE"), statement("RENEW"));
    raw_sql(schema.sql(&prepare)).execute(&mut connection).await.unwrap();
    let run = format!("BEGIN; EXECUTE lease{}; EXECUTE renew('{{1,2,3,4,5}}', '{{1,1,1,1,1}}', 1700000000002)", LEASE.values);
    raw_sql(AssertSqlSafe(run)).execute(&mut connection).await.unwrap();
    let updates =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE schemaname = $1 AND relname = 'deliveries'";
    let updates: (i64, i64) = sqlx::query_as(updates).bind(schema.name()).fetch_one(&mut connection).await.unwrap();
    assert_eq!(updates, (10, 10), "updates, and those that wrote to no index");
}

#[tokio::test]
async fn a_key_is_found_by_its_index() {
    let schema = TestSchema::new();
    let _inbox = schema.open(QuarantineBound::default()).await;
    let mut connection = connection().await;
    let fill = "INSERT INTO onramp.deliveries (endpoint, provider, subject, discriminator, key, fingerprint, state, received_at)
        SELECT 'wert', 'wert', 'wert/order/' || n, 'x', sha256(n::text::bytea), sha256(''), 4, 0 FROM generate_series(1, 50000) AS n";
    raw_sql(schema.sql(fill)).execute(&mut connection).await.unwrap();
    let condition = |name: &str| {
        let source = include_str!("../../src/inbox/query.rs");
        source.split_once(&format!("const {name}: &str = \"")).unwrap().1.split_once("\";").unwrap().0
    };
    let (fits, key) = (condition("MATCHES"), condition("KEY"));
    let query = format!("SELECT d.id FROM onramp.deliveries d WHERE {fits} AND {key} ORDER BY d.id DESC LIMIT $6");
    let types = " (smallint[], text, text, text, bigint, bigint, bytea, boolean, smallint)";
    for analyze in ["", "ANALYZE onramp.deliveries"] {
        raw_sql(schema.sql(analyze)).execute(&mut connection).await.unwrap();
        for mode in ["force_generic_plan", "force_custom_plan"] {
            raw_sql(sqlx::AssertSqlSafe(format!("SET plan_cache_mode = {mode}"))).execute(&mut connection).await.unwrap();
            let prepare = format!("DEALLOCATE ALL; PREPARE it{types} AS {query}");
            raw_sql(schema.sql(&prepare)).execute(&mut connection).await.unwrap();
            let explain = "EXPLAIN EXECUTE it (NULL, NULL, NULL, NULL, NULL, 1, sha256('7'), false, 7)";
            let lines: Vec<(String,)> = sqlx::query_as(explain).persistent(false).fetch_all(&mut connection).await.unwrap();
            let plan = lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n");
            assert!(plan.contains("deliveries_key"), "{mode} {analyze}:\n{plan}");
        }
    }
}
