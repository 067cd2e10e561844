//! The states of periodic tasks.

use onramp_webhooks::inbox::TaskState;
use sqlx::{PgConnection, Row};

use crate::db::{Schema, text};

const FIND: &str = "SELECT version, state FROM onramp.tasks WHERE name = $1";

pub(super) async fn state(connection: &mut PgConnection, schema: &Schema, task: &str) -> sqlx::Result<TaskState> {
    let new = TaskState::new(task);
    let Some(row) = schema.query(FIND).bind(text::stored(task)).fetch_optional(connection).await? else { return Ok(new) };
    let version: i64 = row.try_get("version")?;
    Ok(new.at(u32::try_from(version).unwrap_or(u32::MAX), row.try_get::<String, _>("state")?))
}

const REPLACE: &str = "UPDATE onramp.tasks SET version = version + 1, state = $3 WHERE name = $1 AND version = $2";
const INSERT: &str =
    "INSERT INTO onramp.tasks (name, version, state) VALUES ($1, $2::bigint + 1, $3) ON CONFLICT (name) DO NOTHING";

/// Stores the next version of a state. Returns `false` if it is stored already.
pub(super) async fn set_state(connection: &mut PgConnection, schema: &Schema, state: &TaskState) -> sqlx::Result<bool> {
    let statement = if state.version == 0 { INSERT } else { REPLACE };
    let set = schema.query(statement).bind(text::stored(&state.task)).bind(i64::from(state.version)).bind(&*state.text);
    Ok(set.execute(connection).await?.rows_affected() > 0)
}
