//! Migrations of the schema, in numbered steps. Released steps never change; new ones are added.

use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, raw_sql};

use super::database::{Database, Limit};
use super::schema::Schema;

const STEPS: [&str; 3] = [
    include_str!("migrations/0001_deliveries.sql"),
    include_str!("migrations/0002_idempotency.sql"),
    include_str!("migrations/0003_purchases.sql"),
];

/// Migrates the schema to the newest version. If two processes do so at the same time, the second one finds an up-to-date schema.
pub(crate) async fn migrate(database: &Database) -> Result<(), StoreError> {
    let schema = &*database.schema;
    let migrated = database.tried("migrate", Limit::Patient, |_| async {
        let mut transaction = database.begin_alone("migrate").await?;
        let refused = step_by_step(&mut transaction, schema).await?;
        if refused.is_none() {
            transaction.commit().await?
        } else {
            transaction.rollback().await?
        }
        Ok(refused)
    });
    match migrated.await? {
        Some(why) => Err(StoreError::new(StoreErrorKind::Unusable, "migrate").because(why)),
        None => Ok(()),
    }
}

/// Migrates, or returns the reason why the database cannot be used. An up-to-date schema does not require the privilege to create tables.
async fn step_by_step(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<String>> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')").fetch_one(&mut *connection).await?;
    if encoding != "UTF8" {
        return Ok(Some(format!("the database has the encoding {encoding}, but events need UTF8")));
    }
    let version = version_or_create(connection, schema).await?;
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    if version > known {
        return Ok(Some(format!(
            "schema {schema} has version {version}, but this program only supports {known}; update the program"
        )));
    }
    for (number, step) in (1..).zip(STEPS).filter(|(number, _)| *number > version) {
        raw_sql(schema.sql(step)).execute(&mut *connection).await?;
        sqlx::query(schema.sql("INSERT INTO onramp.version VALUES ($1)")).bind(number).execute(&mut *connection).await?;
    }
    Ok(None)
}

/// Returns the version of the schema. Creates an empty schema of version zero if there is none.
async fn version_or_create(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<i32> {
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                         EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'version')";
    let (has_schema, has_version): (bool, bool) = sqlx::query_as(exists).bind(schema.name()).fetch_one(&mut *connection).await?;
    if !has_schema {
        raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).execute(&mut *connection).await?;
    }
    if !has_version {
        raw_sql(schema.sql("CREATE TABLE onramp.version (version INTEGER PRIMARY KEY)")).execute(&mut *connection).await?;
    }
    sqlx::query_scalar(schema.sql("SELECT coalesce(max(version), 0) FROM onramp.version")).fetch_one(&mut *connection).await
}
