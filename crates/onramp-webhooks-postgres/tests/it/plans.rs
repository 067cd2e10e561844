//! Query plans: a claim must not slow down with the number of handled deliveries, so no statement of it reads the whole table.

use onramp_webhooks::inbox::{Inbox, QuarantineBound, State};
use sqlx::{PgConnection, raw_sql};

use crate::tools::{TestSchema, claim, connection, purchase, record};

/// The source that holds the statements, which are no part of the public interface.
const CLAIM: &str = include_str!("../../src/inbox/claim.rs");

/// A statement, with numbers for the names of states.
fn statement(name: &str) -> String {
    let is_before =
        |source: &&str| source.ends_with(&format!(" {name} = ")) || source.ends_with(&format!("const {name}: &str = "));
    let text = CLAIM.split('"').skip_while(|source| !is_before(source)).nth(1).unwrap();
    let named = State::ALL.iter().map(|state| (state.as_str().to_uppercase(), state.as_u8()));
    let named = named.chain([("UNPLACED".to_owned(), 0)]);
    named.fold(text.to_owned(), |sql, (name, number)| sql.replace(&format!("{{{name}}}"), &number.to_string()))
}

/// The plan with any parameters, as a connection has it that runs the statement often.
async fn plan(connection: &mut PgConnection, schema: &TestSchema, statement: &str, types: &str, values: &str) -> String {
    let prepare = format!("DEALLOCATE ALL; PREPARE it{types} AS {statement}");
    raw_sql(schema.sql(&prepare)).execute(&mut *connection).await.unwrap();
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE it{values}"));
    let lines: Vec<(String,)> = sqlx::query_as(explain).persistent(false).fetch_all(connection).await.unwrap();
    lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n")
}

/// The statements about due deliveries, and about the first, the leased and the last handled one of their order.
const LEASE_INDEXES: [&str; 4] =
    ["deliveries_due", "deliveries_order_due", "deliveries_order_leased", "deliveries_order_handled"];

async fn assert_flat(connection: &mut PgConnection, schema: &TestSchema, when: &str) {
    for (name, types, values, indexes) in [
        ("MAKE_DUE", " (bigint)", " (1700000000000)", &["deliveries_waiting"][..]),
        ("LEASE", " (bigint, bigint)", " (32, 1700000000000)", &LEASE_INDEXES),
        ("NEXT_DUE", "", "", &["deliveries_waiting"]),
    ] {
        for mode in ["force_generic_plan", "force_custom_plan"] {
            let set = sqlx::AssertSqlSafe(format!("SET plan_cache_mode = {mode}"));
            raw_sql(set).execute(&mut *connection).await.unwrap();
            let plan = plan(connection, schema, &statement(name), types, values).await;
            for index in indexes {
                assert!(plan.contains(&format!("{index} ")), "{when}, {name}, {mode}: without {index}:\n{plan}");
            }
            assert!(!plan.contains("Seq Scan"), "{when}, {name}, {mode}: reads the whole table:\n{plan}");
            assert!(!plan.contains("Sort"), "{when}, {name}, {mode}: sorts all that is due:\n{plan}");
        }
    }
}

#[tokio::test]
async fn claims_use_the_partial_indexes() {
    let schema = TestSchema::new();
    let inbox = schema.open(QuarantineBound::default()).await;
    let mut connection = connection().await;
    // As the transaction of a claim has it.
    let by_index = "SET jit = off; SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off";
    raw_sql(by_index).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "of an empty table").await;
    // Handled ones by the thousand, a few that are due, and some that are leased and wait.
    let fill =
        "INSERT INTO onramp.deliveries (endpoint, provider, subject, discriminator, key, stage, order_key, fingerprint, state,
            due_at, received_at, settled_at)
        SELECT 'wert', 'wert', 'wert/order/' || n, 'x', sha256(n::text::bytea), 1, sha256((n / 3)::text::bytea), sha256(''),
            CASE WHEN n % 1000 = 0 THEN 1 WHEN n % 1000 = 1 THEN 2 WHEN n % 100 = 2 THEN 0 ELSE 4 END,
            CASE WHEN n % 1000 < 2 THEN 1800000000000 END, 0, 0
        FROM generate_series(1, 50000) AS n";
    raw_sql(schema.sql(fill)).execute(&mut connection).await.unwrap();
    raw_sql(schema.sql("INSERT INTO onramp.bodies SELECT id, '' FROM onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "without statistics").await;
    raw_sql(schema.sql("ANALYZE onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with statistics").await;
    // A backlog, as of workers that were away.
    let backlog = "UPDATE onramp.deliveries SET state = 0, due_at = NULL WHERE id % 2 = 0";
    raw_sql(schema.sql(backlog)).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with a backlog").await;
    raw_sql(schema.sql("ANALYZE onramp.deliveries")).execute(&mut connection).await.unwrap();
    assert_flat(&mut connection, &schema, "with statistics of a backlog").await;
    assert_eq!(claim(&inbox, 32).await.len(), 32);
    record(&inbox, purchase()).await;
    inbox.check().await.unwrap();
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
            let plan =
                plan(&mut connection, &schema, &query, types, " (NULL, NULL, NULL, NULL, NULL, 1, sha256('7'), false, 7)").await;
            assert!(plan.contains("deliveries_key"), "{mode} {analyze}:\n{plan}");
        }
    }
}
