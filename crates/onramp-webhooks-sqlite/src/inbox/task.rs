//! The states of periodic tasks.

use onramp_webhooks::inbox::TaskState;
use rusqlite::{Connection, OptionalExtension, params};

const FIND: &str = "SELECT version, state FROM onramp_tasks WHERE name = ?";

pub(crate) fn state(connection: &Connection, task: &str) -> rusqlite::Result<TaskState> {
    let new = TaskState::new(task);
    let found: Option<(u32, String)> =
        connection.prepare_cached(FIND)?.query_row([task], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        Some((version, text)) => new.at(version, text),
        None => new,
    })
}

const REPLACE: &str = "UPDATE onramp_tasks SET version = version + 1, state = ?3 WHERE name = ?1 AND version = ?2";
const INSERT: &str = "INSERT INTO onramp_tasks (name, version, state) VALUES (?1, ?2 + 1, ?3) ON CONFLICT (name) DO NOTHING";

/// Stores the next version of a state. Returns `false` if it is stored already.
pub(super) fn set_state(connection: &Connection, state: &TaskState) -> rusqlite::Result<bool> {
    let statement = if state.version == 0 { INSERT } else { REPLACE };
    let changed = connection.prepare_cached(statement)?.execute(params![state.task, state.version, state.text])?;
    Ok(changed > 0)
}
