//! The disk space of the file.

use std::path::Path;
use std::time::{Duration, Instant};

use onramp_webhooks::inbox::Space;
use rusqlite::{Connection, ErrorCode};

use crate::db::beside;

/// Time limit of the look at the pages of bodies. A file of several gigabytes takes longer.
const LONGEST: Duration = Duration::from_secs(1);

/// The number of steps of SQLite between two looks at the clock.
const STEPS: i32 = 1_000;

/// Returns the space of the database at `path`, on a connection of its own. It is not known of a very large file, or by an SQLite that was
/// built without the table `dbstat`.
pub(super) fn space(connection: &mut Connection, path: &Path) -> rusqlite::Result<Option<Space>> {
    let begun = Instant::now();
    connection.progress_handler(STEPS, Some(move || begun.elapsed() > LONGEST))?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    if number("SELECT count(*) FROM pragma_module_list WHERE name = 'dbstat'")? == 0 {
        return Ok(None);
    }
    let bodies = match number("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = 'onramp_bodies'") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => return Ok(None),
        bodies => bodies?,
    };
    let page = number("PRAGMA page_size")?;
    let (all, unused) =
        (number("PRAGMA page_count")?.saturating_mul(page), number("PRAGMA freelist_count")?.saturating_mul(page));
    let [log, _] = beside(path);
    let log = std::fs::metadata(log).map_or(0, |log| log.len());
    Ok(Some(Space::new(bodies, all.saturating_sub(bodies).saturating_sub(unused)).unused(unused).log(log)))
}
