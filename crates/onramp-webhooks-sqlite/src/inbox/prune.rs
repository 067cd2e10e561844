//! Pruning of deliveries that were handled long ago.

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeliveryId, Retention, State};
use rusqlite::{Connection, params};

use super::record::remove;

/// The maximum number of deliveries in one call, so that no commit keeps receivers waiting for long.
const ROUND: usize = 1_000;

/// Removes the bodies of deliveries that were handled before `now - retention`, and the whole delivery if its key has expired.
///
/// Ids grow with the time of arrival, so the scan can stop at younger deliveries. It stops only after many younger deliveries, because
/// the clock may have been wrong for some time.
pub(super) fn prune(connection: &Connection, now: Timestamp, retention: Retention) -> rusqlite::Result<u64> {
    let cutoff = now.before(retention.handled).as_millis();
    let old = old(connection, now.as_millis(), cutoff)?;
    for (id, expired) in &old {
        if *expired {
            remove(connection, DeliveryId::from_i64(*id))?;
        } else {
            connection.prepare_cached("DELETE FROM onramp_bodies WHERE id = ?")?.execute([id])?;
        }
    }
    Ok(old.len() as u64)
}

const OLDEST_FIRST: &str =
    "SELECT d.received_at, d.id, d.subject IS NULL OR coalesce(d.key_expires_at <= ?, false), d.state = ? AND d.settled_at < ?
     FROM onramp_bodies b CROSS JOIN onramp_deliveries d ON d.id = b.id ORDER BY b.id";

/// Returns the ids of deliveries with a body that were handled before `cutoff`. The flag is set if the key has expired.
fn old(connection: &Connection, now: i64, cutoff: i64) -> rusqlite::Result<Vec<(i64, bool)>> {
    let mut oldest_first = connection.prepare_cached(OLDEST_FIRST)?;
    let mut rows = oldest_first.query(params![now, State::Handled.as_u8(), cutoff])?;
    let (mut old, mut young) = (Vec::new(), 0);
    while old.len() < ROUND
        && young < ROUND
        && let Some(row) = rows.next()?
    {
        young += usize::from(row.get::<_, i64>(0)? >= cutoff);
        if row.get(3)? {
            old.push((row.get(1)?, row.get(2)?));
        }
    }
    Ok(old)
}
