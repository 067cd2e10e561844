//! A fleet under faults for a time.

use crate::day;
use crate::home::Subject;

/// Receivers and workers share a database behind PgBouncer, and the receivers' spills are on a mounted disk.
pub async fn behind_pgbouncer_and_with_a_mounted_disk_nothing_is_lost_and_nothing_leaks(subject: Subject) {
    day::soak::run(subject).await;
}
