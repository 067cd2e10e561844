//! Query plans: no statement may slow down with the number of handled deliveries, or with those that wait behind a head or for their time.

use onramp_webhooks::inbox::{Inbox, QuarantineBound, SUSPECT_AFTER, State};
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use crate::tools::{TestSchema, claim, connection, indexed_filters_look_at_few, purchase, record};

/// The sources that hold the statements, which are no part of the public interface.
const SOURCES: [&str; 8] = [
    include_str!("../../src/inbox/claim.rs"),
    include_str!("../../src/inbox/lock.rs"),
    include_str!("../../src/inbox/prune.rs"),
    include_str!("../../src/inbox/queue.rs"),
    include_str!("../../src/inbox/record.rs"),
    include_str!("../../src/inbox/settle.rs"),
    FILTER,
    QUERY,
];

const FILTER: &str = include_str!("../../src/inbox/filter.rs");
const QUERY: &str = include_str!("../../src/inbox/query.rs");
const STATE: &str = include_str!("../../src/inbox/state.rs");

/// A statement, with numbers for the names of constants.
fn statement(name: &str) -> String {
    let starts = [format!(" {name} ="), format!("({name} ="), format!("const {name}: &str =")];
    let is_before = |source: &&str| starts.iter().any(|start| source.trim_end().ends_with(start));
    let of_function = [("PROMOTE", "END IF;\n", ";\nEND"), ("PROMOTED", "orders := ARRAY (", ");\n    IF")];
    if let Some((_, from, to)) = of_function.iter().find(|(statement, ..)| *statement == name) {
        let body = include_str!("../../src/db/migrations/0001_deliveries.sql").split(from).nth(1).unwrap();
        return body.split(to).next().unwrap().replace("UNNEST(orders)", "UNNEST($1)");
    }
    let text = SOURCES.iter().find_map(|source| source.split('"').skip_while(|part| !is_before(part)).nth(1)).unwrap();
    let text = with_numbers(&text.replace("{OPEN}", part(STATE, "OPEN = \"")));
    [("{claimed}", "CLAIMED"), ("{lists}", "LISTS")].into_iter().fold(text, |text, (place, name)| match text.contains(place) {
        true => text.replace(place, &statement(name)),
        false => text,
    })
}

fn with_numbers(text: &str) -> String {
    let named = State::ALL.iter().map(|state| (state.as_str().to_uppercase(), u32::from(state.as_u8())));
    let named = named.chain([("UNPLACED".to_owned(), 0), ("SUSPECT_AFTER".to_owned(), SUSPECT_AFTER)]);
    named.fold(text.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()))
}

/// The text in a source after `start`, to the end of the literal.
fn part<'a>(source: &'a str, start: &str) -> &'a str {
    source.split(start).nth(1).unwrap_or_else(|| panic!("no {start}")).split('"').next().unwrap()
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
const NEXT_CANDIDATES: Case = Case {
    name: "NEXT_CANDIDATES",
    types: "(bigint, bigint, text[], bigint[], text[], bigint[])",
    values: "(32, 1700000000000, '{}', '{}', '{wert}', '{1}')",
    indexes: &["deliveries_due", "deliveries_lost"],
};
const LEASE: Case = Case {
    name: "LEASE",
    types: "(bigint[], bigint, bigint)",
    values: "('{1,2,3,4,5}', 1700000000000, 1700000000001)",
    indexes: &["deliveries_pkey", "deliveries_handled"],
};
const LEASE_BEHIND: Case = Case {
    name: "LEASE_BEHIND",
    types: "(bigint[], bigint, bigint, bigint)",
    values: "('{1,2,3,4,5}', 1700000000000, 1700000000001, 32)",
    indexes: &["deliveries_pkey", "deliveries_behind", "deliveries_handled"],
};
const PROMOTE: Case = Case {
    name: "PROMOTE",
    types: "(bytea[])",
    values: "(ARRAY[sha256('hot'), sha256('none')])",
    indexes: &["deliveries_behind", "deliveries_pkey"],
};
const PROMOTED: Case = Case { name: "PROMOTED", values: "(ARRAY[sha256('hot')])", indexes: &["deliveries_behind"], ..PROMOTE };
const LOCK_HEAD: Case = Case { name: "LOCK_HEAD", types: "(bytea)", values: "(sha256('hot'))", indexes: &["deliveries_head"] };
const SETTLE: Case = Case {
    name: "SETTLE",
    types: "(bigint[], bigint[], smallint[], bigint[], bigint[], bigint[], text[], smallint[])",
    values: "('{1}', '{1}', '{4}', '{NULL}', '{0}', '{1}', '{NULL}', '{NULL}')",
    indexes: &["deliveries_pkey"],
};
const OLD: Case = Case {
    name: "OLD",
    types: "(bigint, bigint, bigint, bigint, bigint, bigint)",
    values: "(1700000000000, 1600000000000, 1600000000000, 1600000000000, 1600000000000, 1000)",
    indexes: &["deliveries_old", "deliveries_dead", "deliveries_aside", "deliveries_pkey"],
};
const INSERT: Case = Case {
    name: "INSERT",
    types: "",
    values: "('{wert}', '{wert}', '{x}', '{hot}', '{new}', ARRAY[sha256('new')], '{NULL}', '{1}', ARRAY[sha256('hot')],
        ARRAY[sha256('')], '{0}', '{0}', '{NULL}', '{NULL}', ARRAY[''::bytea], '{true}')",
    indexes: &["deliveries_head"],
};

const HEADS: Case = Case {
    name: "HEADS",
    types: "(bytea[])",
    values: "(ARRAY[sha256('hot'), sha256('none')])",
    indexes: &["deliveries_head", "deliveries_pkey"],
};
const ROWS: Case = Case {
    name: "ROWS",
    types: "(bigint[], bytea[], boolean, bigint[])",
    values: "('{1}', ARRAY[sha256('none')], false, '{1}')",
    indexes: &["deliveries_pkey", "deliveries_key", "deliveries_head"],
};

/// The statements of an inbox at work, and the number of rows that each may read where one head is due.
const CASES: [(Case, u64); 11] = [
    (CANDIDATES, 5),
    (NEXT_CANDIDATES, 5),
    (LEASE, 20),
    (LEASE_BEHIND, 200),
    (LOCK_HEAD, 1),
    (SETTLE, 1),
    (INSERT, 2),
    (PROMOTE, 4),
    (PROMOTED, 1),
    (HEADS, 2),
    (ROWS, 2),
];

impl Case {
    /// Explains the statement, with the plan of a connection that runs it often.
    async fn explain(&self, connection: &mut PgConnection, schema: &TestSchema, how: &str) -> String {
        self.prepare(connection, schema).await;
        self.explain_prepared(connection, how).await
    }

    async fn prepare(&self, connection: &mut PgConnection, schema: &TestSchema) {
        let prepare = format!("DEALLOCATE ALL; PREPARE it{} AS {}", self.types, statement(self.name));
        raw_sql(schema.sql(&prepare)).execute(connection).await.unwrap();
    }

    async fn explain_prepared(&self, connection: &mut PgConnection, how: &str) -> String {
        explain_prepared(connection, self.values, how).await
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

    async fn assert_reads(&self, connection: &mut PgConnection, schema: &TestSchema, most: u64, when: &str) {
        let before = if self.name == "PROMOTE" { "UPDATE onramp.deliveries SET due_at = NULL WHERE id = 1" } else { "" };
        raw_sql(schema.sql(&format!("BEGIN; {before}"))).execute(&mut *connection).await.unwrap();
        let read = self.rows_read(connection).await;
        assert!((1..=most).contains(&read), "{}: reads {read} rows {when}", self.name);
        raw_sql("ROLLBACK").execute(connection).await.unwrap();
    }

    async fn rows_read(&self, connection: &mut PgConnection) -> u64 {
        rows_read(connection, self.values).await
    }
}

async fn explain_prepared(connection: &mut PgConnection, values: &str, how: &str) -> String {
    let explain = AssertSqlSafe(format!("EXPLAIN {how} EXECUTE it{values}"));
    let lines: Vec<(String,)> = sqlx::query_as(explain).persistent(false).fetch_all(connection).await.unwrap();
    lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n")
}

/// Runs the prepared statement, and returns the number of rows that it read from the table.
async fn rows_read(connection: &mut PgConnection, values: &str) -> u64 {
    let plan = explain_prepared(connection, values, "(ANALYZE, TIMING OFF, COSTS OFF)").await;
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

async fn assert_flat(connection: &mut PgConnection, schema: &TestSchema, when: &str) {
    for case in CASES.into_iter().map(|(case, _)| case).chain([OLD]) {
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
        for (case, most) in CASES {
            case.prepare(&mut connection, &schema).await;
            case.assert_reads(&mut connection, &schema, most, analyze).await;
        }
    }
}

/// A plan is kept until there are new statistics, so one that was made while nothing waited also serves a backlog. After a vacuum, the
/// planner takes an index of what waits for one that costs nothing to read.
#[tokio::test]
async fn a_backlog_is_not_read_with_earlier_plans() {
    let schema = TestSchema::new();
    let _inbox = schema.open(QuarantineBound::default()).await;
    let idle = "ALTER TABLE onramp.deliveries SET (autovacuum_enabled = false);
        INSERT INTO onramp.deliveries (id, endpoint, provider, subject, stage, key, order_key, fingerprint, state, due_at, received_at)
        SELECT n, 'wert', 'wert', n, 1, sha256(n::text::bytea), sha256(n::text::bytea), sha256(''), 0, 0, 0
        FROM generate_series(30001, 50000) AS n;
        UPDATE onramp.deliveries SET state = 4, due_at = NULL, settled_at = 0";
    for statements in [idle, "VACUUM ANALYZE onramp.deliveries"] {
        raw_sql(schema.sql(statements)).execute(&mut connection().await).await.unwrap();
    }
    let mut connections = Vec::new();
    for (case, most) in CASES {
        let mut connection = by_index().await;
        case.prepare(&mut connection, &schema).await;
        let plan = format!("SET plan_cache_mode = force_generic_plan; BEGIN; EXECUTE it{}; ROLLBACK", case.values);
        raw_sql(AssertSqlSafe(plan)).execute(&mut connection).await.unwrap();
        connections.push((case, most, connection));
    }
    let fill =
        "INSERT INTO onramp.deliveries (id, endpoint, provider, subject, stage, order_key, fingerprint, state, due_at, waits_at,
            received_at)
        SELECT n, 'wert', 'wert', n, 1, CASE WHEN n <= 2 THEN sha256('hot') ELSE sha256(n::text::bytea) END, sha256(''), 0,
            CASE n WHEN 1 THEN 0 WHEN 2 THEN NULL ELSE 1800000000000 END, CASE n WHEN 2 THEN 0 END, 0
        FROM generate_series(1, 20000) AS n;
        SELECT setval(pg_get_serial_sequence('onramp.deliveries', 'id'), 50000)";
    raw_sql(schema.sql(fill)).execute(&mut connection().await).await.unwrap();
    for (case, most, mut connection) in connections {
        case.assert_reads(&mut connection, &schema, most, "with a plan of an idle inbox").await;
    }
}

/// An index keeps the entries of what has left the queue until the next vacuum, and a claim that begins behind them reads none of them.
#[tokio::test]
async fn a_claim_does_not_read_what_has_left_the_queue() {
    let schema = TestSchema::new();
    let _inbox = schema.open(QuarantineBound::default()).await;
    let drained = "ALTER TABLE onramp.deliveries SET (autovacuum_enabled = false);
        INSERT INTO onramp.deliveries (endpoint, provider, fingerprint, state, due_at, received_at)
        SELECT 'wert', 'wert', sha256(''), 0, 0, 0 FROM generate_series(1, 50000) AS n;
        UPDATE onramp.deliveries SET state = 4, due_at = NULL, settled_at = 0 WHERE id <= 40000";
    raw_sql(schema.sql(drained)).execute(&mut connection().await).await.unwrap();
    let mut connection = by_index().await;
    let mut pages = Vec::new();
    for case in [CANDIDATES, Case { values: "(32, 1700000000000, '{}', '{}', '{wert}', '{40001}')", ..NEXT_CANDIDATES }] {
        case.prepare(&mut connection, &schema).await;
        let plan = case.explain_prepared(&mut connection, "(ANALYZE, BUFFERS, TIMING OFF, COSTS OFF)").await;
        let hit = plan.split("Buffers: shared hit=").nth(1).unwrap();
        pages.push(hit.split(|end: char| !end.is_ascii_digit()).next().unwrap().parse::<u32>().unwrap());
    }
    assert!(pages[0] > 300 && pages[1] < 30, "{pages:?}");
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

const LOOKUPS: [(Case, u64); 6] = [
    (Case { name: "WITH_KEY", types: "(bytea)", values: "(sha256('7'))", indexes: &["deliveries_key"] }, 1),
    (
        Case {
            name: "WITH_PREFIX",
            types: "(bytea, bytea, bigint)",
            values: "(substr(sha256('7'), 1, 26), substr(sha256('7'), 1, 26) || '\\xff', 50001)",
            indexes: &["deliveries_key"],
        },
        1,
    ),
    (Case { name: "DUE", types: "(bigint)", values: "(50001)", indexes: &["deliveries_due"] }, 100),
    (Case { name: "WAITING_BEHIND", types: "(bigint)", values: "(50001)", indexes: &["deliveries_behind"] }, 50),
    (Case { name: "UNRESOLVED", types: "(bigint)", values: "(50001)", indexes: &["deliveries_open"] }, 50),
    (
        Case { name: "OPEN_COUNTS", types: "", values: "", indexes: &["deliveries_due", "deliveries_behind", "deliveries_open"] },
        200,
    ),
];

/// A part of a statement for pages, with the conditions of filters.
fn page(from: &str) -> String {
    let from = part(QUERY, &format!("const {from}: &str = \"")).replace("{sequence}", "DESC");
    let matches = part(FILTER, "MATCHES = \"").replace("{RESOLVED}", part(STATE, "RESOLVED = \""));
    with_numbers(&format!("SELECT d.id FROM {from} d WHERE {matches} ORDER BY d.id DESC LIMIT $4"))
}

#[tokio::test]
async fn filters_read_their_indexes_and_pages_a_bounded_number_of_rows() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    indexed_filters_look_at_few(&inbox).await;
    let mut connection = by_index().await;
    let fill = "TRUNCATE onramp.deliveries;
        INSERT INTO onramp.deliveries (endpoint, provider, subject, discriminator, key, order_key, stage, fingerprint, state, received_at,
            settled_at, cause, due_at, waits_at)
        SELECT 'wert', 'wert', 'wert/order/' || n, 'x', sha256(n::text::bytea), sha256(n::text::bytea), 1, sha256(''),
            CASE n % 1000 WHEN 0 THEN 0 WHEN 1 THEN 5 WHEN 2 THEN 3 WHEN 3 THEN 0 ELSE 4 END, 0,
            CASE WHEN n % 1000 NOT IN (0, 2, 3) THEN 1 END, CASE WHEN n % 1000 = 1 THEN 0 END,
            CASE n % 1000 WHEN 0 THEN 0 WHEN 2 THEN 1800000000000 END, CASE n % 1000 WHEN 3 THEN 0 END
        FROM generate_series(1, 50000) AS n";
    raw_sql(schema.sql(fill)).execute(&mut connection).await.unwrap();
    let types =
        "(bigint, bigint, bigint, bigint, smallint[], boolean, text, text, text, text[], text, bytea, smallint, text, bigint,
        bigint, boolean)";
    let none = "NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL";
    for analyze in ["", "ANALYZE onramp.deliveries"] {
        raw_sql(schema.sql(analyze)).execute(&mut connection).await.unwrap();
        for (case, most) in LOOKUPS {
            case.assert_by_index(&mut connection, &schema, analyze).await;
            case.assert_reads(&mut connection, &schema, most, analyze).await;
        }
        let rare = none.replacen("NULL, false", "'{7}', false", 1);
        for (from, third, values, most) in [
            ("WALK", "1000", none, 10..=11),
            ("WALK", "1000", rare.as_str(), 1_000..=1_000),
            ("FOUND", "'{60,61,62,99999999}'", none, 1..=3),
        ] {
            let types = if from == "FOUND" {
                types.replacen("bigint, bigint, bigint", "bigint, bigint, bigint[]", 1)
            } else {
                types.into()
            };
            let prepare =
                format!("DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan; PREPARE it{types} AS {}", page(from));
            raw_sql(schema.sql(&prepare)).execute(&mut connection).await.unwrap();
            let read = rows_read(&mut connection, &format!("(-1, 9223372036854775807, {third}, 10, {values})")).await;
            assert!(most.contains(&read), "{from} {analyze}: {read} rows");
        }
    }
}
