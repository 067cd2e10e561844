//! Migrations of the schema, in numbered steps. Released steps never change; new ones are added.

use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row, raw_sql};

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
    migrated.await?.map_or(Ok(()), Err)
}

/// Migrates, or returns the reason why the database cannot be used. An up-to-date schema does not require the privilege to create tables.
async fn step_by_step(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<StoreError>> {
    if let Some(refusal) = refusal(connection, schema).await? {
        return Ok(Some(refusal));
    }
    let version = version_or_create(connection, schema).await?;
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    if version > known {
        let why = format!("schema {schema} has version {version}, but this program only supports {known}; update the program");
        return Ok(Some(refused(StoreErrorKind::Unusable, why)));
    }
    for (number, step) in (1..).zip(STEPS).filter(|(number, _)| *number > version) {
        raw_sql(schema.sql(step)).execute(&mut *connection).await?;
        schema.query("INSERT INTO onramp.version VALUES ($1)").bind(number).execute(&mut *connection).await?;
    }
    Ok(None)
}

fn refused(kind: StoreErrorKind, why: String) -> StoreError {
    StoreError::new(kind, "migrate").because(why)
}

const SERVER: &str = "SELECT pg_is_in_recovery(), current_setting('server_encoding'), current_user::text,
    has_database_privilege(current_database(), 'CREATE') OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";

/// Returns the reason why the server, the database or the role cannot be used.
async fn refusal(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<StoreError>> {
    let server = schema.query(SERVER).bind(schema.name()).fetch_one(connection).await?;
    let (is_replica, has_rights): (bool, bool) = (server.try_get(0)?, server.try_get(3)?);
    let (encoding, role): (String, String) = (server.try_get(1)?, server.try_get(2)?);
    Ok(if is_replica {
        Some(refused(StoreErrorKind::ReadOnly, "the server is a read-only replica; connect to its primary".into()))
    } else if encoding != "UTF8" {
        Some(refused(StoreErrorKind::Unusable, format!("the database has the encoding {encoding}, but events need UTF8")))
    } else if !has_rights {
        let remedy = format!("CREATE SCHEMA {schema} AUTHORIZATION \"{role}\"");
        Some(refused(StoreErrorKind::ReadOnly, format!("the role may not create the schema; as another role, run {remedy}")))
    } else {
        None
    })
}

/// Returns the version of the schema. Creates an empty schema of version zero if there is none.
async fn version_or_create(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<i32> {
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
                         EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'version')";
    let exists = schema.query(exists).bind(schema.name()).fetch_one(&mut *connection).await?;
    let (has_schema, has_version): (bool, bool) = (exists.try_get(0)?, exists.try_get(1)?);
    if !has_schema {
        raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).execute(&mut *connection).await?;
    }
    if !has_version {
        raw_sql(schema.sql("CREATE TABLE onramp.version (version INTEGER PRIMARY KEY)")).execute(&mut *connection).await?;
    }
    schema.scalar("SELECT coalesce(max(version), 0) FROM onramp.version").fetch_one(&mut *connection).await
}
