//! Migrations of the schema, in numbered steps. Released steps never change; new ones are added.
//!
//! Each step records the oldest version of the program that can use the schema after it. A program that is not older than that uses a
//! schema of a later version as it is.

use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::{PgConnection, Row, raw_sql};

use super::database::{Database, Limit};
use super::schema::Schema;

/// A step of the schema. Its number is the version of the schema after it, and of the programs that know it.
#[derive(Clone, Copy, Debug)]
struct Step {
    sql: &'static str,
    /// The oldest version of the program that can use the schema after this step.
    oldest: i32,
}

const STEPS: [Step; 7] = [
    Step { sql: include_str!("migrations/0001_deliveries.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0002_idempotency.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0003_purchases.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0004_tasks.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0005_resolved.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0006_open.sql"), oldest: 1 },
    Step { sql: include_str!("migrations/0007_history.sql"), oldest: 1 },
];

/// The version of this program.
const KNOWN: i32 = STEPS.len() as i32;

/// The version of a schema, and the oldest version of the program that can use it. Both are zero in a new schema.
#[derive(Clone, Copy, Debug)]
struct Version {
    version: i32,
    oldest: i32,
}

/// Migrates the schema to the newest version. If two processes do so at the same time, the second one finds an up-to-date schema.
pub(crate) async fn migrate(database: &Database) -> Result<(), StoreError> {
    if !is_behind(database).await? {
        return Ok(());
    }
    let migrated = database.tried("migrate", Limit::Endless, |_| async {
        let mut transaction = database.begin_migration().await?;
        let refusal = take_steps(&mut transaction, &database.schema).await?;
        if refusal.is_none() {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(refusal)
    });
    migrated.await?.map_or(Ok(()), Err)
}

/// Returns an error unless the schema exists and needs no migration. Changes nothing.
pub(crate) async fn require(database: &Database) -> Result<(), StoreError> {
    if is_behind(database).await? {
        let why = format!(
            "schema {} does not exist, or this program would have to migrate it; open it with the program that uses it first",
            database.schema
        );
        return Err(refused(StoreErrorKind::Unusable, why));
    }
    Ok(())
}

/// Takes the steps that are missing, or returns the reason why the schema cannot be used.
async fn take_steps(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<StoreError>> {
    let found = version_or_create(connection, schema).await?;
    if let Some(refusal) = found.refusal(schema) {
        return Ok(Some(refusal));
    }
    for (number, step) in (1..).zip(STEPS).filter(|(number, _)| *number > found.version) {
        raw_sql(schema.sql(step.sql)).execute(&mut *connection).await?;
        let taken = schema.query("INSERT INTO onramp.version (version, oldest) VALUES ($1, $2)").bind(number).bind(step.oldest);
        taken.execute(&mut *connection).await?;
    }
    incomplete_index(connection, schema).await
}

/// Returns an error if the schema has an index that was built beforehand, and not to its end.
async fn incomplete_index(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<StoreError>> {
    let incomplete = "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE NOT indisvalid AND relnamespace = $1::regnamespace LIMIT 1";
    let incomplete = schema.scalar(incomplete).bind(schema.name()).fetch_optional(connection).await?;
    Ok(incomplete.map(|index: String| {
        let why = format!("the index {index} is not complete; wait for its build, or drop the index and build it again");
        refused(StoreErrorKind::Unusable, why)
    }))
}

/// Returns whether steps of the schema are missing, or an error if the database cannot be used.
async fn is_behind(database: &Database) -> Result<bool, StoreError> {
    let schema = &*database.schema;
    let found = database.tried("migrate", Limit::Patient, |_| async {
        let mut transaction = database.begin_reading().await?;
        let refusal = refusal(&mut transaction, schema).await?;
        let version = if refusal.is_none() { version(&mut transaction, schema).await? } else { None };
        transaction.rollback().await?;
        Ok((refusal, version))
    });
    let (refusal, version) = found.await?;
    match refusal.or_else(|| version?.refusal(schema)) {
        Some(refusal) => Err(refusal),
        None => Ok(version.is_none_or(|found| found.version < KNOWN)),
    }
}

impl Version {
    /// Returns the reason why this program cannot use the schema.
    fn refusal(self, schema: &Schema) -> Option<StoreError> {
        let Self { version, oldest } = self;
        let why = format!(
            "schema {schema} has version {version}, which is for a program of version {oldest} or newer, and this one has version {KNOWN}; \
             update the program, or restore a backup from before the migration"
        );
        (oldest > KNOWN).then(|| refused(StoreErrorKind::Unusable, why))
    }
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

/// Returns the version of the schema, or `None` if the schema or its tables are missing.
async fn version(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Option<Version>> {
    let exists = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'version')";
    if !schema.scalar(exists).bind(schema.name()).fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    let newest = schema.query("SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM onramp.version");
    let newest = newest.fetch_one(connection).await?;
    Ok(Some(Version { version: newest.try_get(0)?, oldest: newest.try_get(1)? }))
}

/// Returns the version of the schema. Creates an empty schema of version zero if there is none.
async fn version_or_create(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Version> {
    if let Some(version) = version(&mut *connection, schema).await? {
        return Ok(version);
    }
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    if !schema.scalar(exists).bind(schema.name()).fetch_one(&mut *connection).await? {
        raw_sql(sqlx::AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""))).execute(&mut *connection).await?;
    }
    let table = "CREATE TABLE onramp.version (version INTEGER PRIMARY KEY, oldest INTEGER NOT NULL)";
    raw_sql(schema.sql(table)).execute(connection).await?;
    Ok(Version { version: 0, oldest: 0 })
}
