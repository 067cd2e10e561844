//! Claiming of due deliveries, and renewal of leases.

use std::sync::Arc;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{
    Candidate, Candidates, ClaimRequest, ClaimedDelivery, Claims, DeliveryId, HistoryEntry, HistoryKind, Lease, SUSPECT_AFTER,
};
use rusqlite::{CachedStatement, Connection, Row, params};

use super::history;
use super::queue::{FIRST, any_behind};
use super::state::{LEASED, PARKED, PENDING, RETRYING, sql};
use crate::db::column;

const NEXT_DUE: &str = "SELECT min(due_at) FROM onramp_deliveries INDEXED BY onramp_deliveries_due
     WHERE due_at IS NOT NULL AND endpoint = ? AND due_at > ?";

/// Leases due deliveries. Every statement reads only the heads of orders, through the partial index on `due_at`.
pub(super) fn claim(connection: &Connection, now: Timestamp, request: &ClaimRequest) -> rusqlite::Result<Claims> {
    let (mut candidates, mut has_suspect, mut next_due) = (Vec::new(), false, None);
    for endpoint in endpoints(connection)? {
        let next: Option<i64> =
            connection.prepare_cached(NEXT_DUE)?.query_row(params![&*endpoint, now.as_millis()], |row| row.get(0))?;
        next_due = next_due.into_iter().chain(next).min();
        if !request.except.contains(&endpoint) {
            let mut read = |sql, until| candidates_of(connection, now, request, &endpoint, sql, until, &mut has_suspect);
            let (untried, again) = (read(&UNTRIED, None)?, read(&AGAIN, Some(now))?);
            candidates.push(Candidates { endpoint, untried, again, newest: Vec::new() });
        }
    }
    if request.needs_newest(now, &candidates) {
        for candidates in &mut candidates {
            candidates.newest = candidates_of(connection, now, request, &candidates.endpoint, &NEWEST, None, &mut has_suspect)?;
        }
    }
    let limit = if request.suspect { 1 } else { usize::MAX };
    let until = now.after(request.lease);
    let chosen = request.choose(now, candidates).into_iter().take(limit);
    let mut leasing = Leasing::prepare(connection, &LEASE, now, until)?;
    let mut claimed = chosen.map(|id| leasing.lease(id)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut room = request.room_behind(claimed.len());
    if room > 0 && any_behind(connection)? {
        for head in &mut claimed {
            head.behind = lease_behind(connection, now, head, until, room)?;
            room -= head.behind.len();
        }
    }
    Ok(Claims::new(claimed, next_due.map(Timestamp::from_millis)).with_suspect(has_suspect))
}

const NEXT_ENDPOINT: &str =
    "SELECT min(endpoint) FROM onramp_deliveries INDEXED BY onramp_deliveries_due WHERE due_at IS NOT NULL AND endpoint > ?";

/// Returns the endpoints for which something waits.
fn endpoints(connection: &Connection) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut next = connection.prepare_cached(NEXT_ENDPOINT)?;
    let mut endpoints: Vec<Arc<str>> = Vec::new();
    while let Some(endpoint) =
        next.query_row([endpoints.last().map_or("", |last| last)], |row| row.get::<_, Option<String>>(0))?
    {
        endpoints.push(endpoint.into());
    }
    Ok(endpoints)
}

sql!(
    UNTRIED = "SELECT id, received_at, state = {LEASED}, lease_until, lost_claims
     FROM onramp_deliveries INDEXED BY onramp_deliveries_due
     WHERE due_at IS NOT NULL AND endpoint = ? AND due_at = 0 AND state IN ({PENDING}, {LEASED}, {RETRYING}, {PARKED}) ORDER BY id"
);
sql!(
    NEWEST = "SELECT id, received_at, state = {LEASED}, lease_until, lost_claims
     FROM onramp_deliveries INDEXED BY onramp_deliveries_due
     WHERE due_at IS NOT NULL AND endpoint = ? AND due_at = 0 AND state IN ({PENDING}, {LEASED}, {RETRYING}, {PARKED}) ORDER BY id DESC"
);
sql!(
    AGAIN = "SELECT id, due_at, state = {LEASED}, lease_until, lost_claims
     FROM onramp_deliveries INDEXED BY onramp_deliveries_due
     WHERE due_at IS NOT NULL AND endpoint = ? AND due_at > 0 AND due_at <= ? AND state IN ({PENDING}, {LEASED}, {RETRYING}, {PARKED}) ORDER BY due_at, id"
);

/// Reads the candidates of one endpoint with `sql`, and notes whether a suspect is due.
fn candidates_of(
    connection: &Connection,
    now: Timestamp,
    request: &ClaimRequest,
    endpoint: &str,
    sql: &str,
    until: Option<Timestamp>,
    has_suspect: &mut bool,
) -> rusqlite::Result<Vec<Candidate>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = match until {
        Some(until) => statement.query(params![endpoint, until.as_millis()])?,
        None => statement.query([endpoint])?,
    };
    let mut candidates = Vec::new();
    while candidates.len() < request.limit
        && let Some(row) = rows.next()?
    {
        let was_leased: bool = row.get(2)?;
        if was_leased && row.get::<_, Option<i64>>(3)?.is_some_and(|until| now.as_millis() < until) {
            continue;
        }
        let is_suspect = was_leased && row.get::<_, u32>(4)?.saturating_add(1) >= SUSPECT_AFTER;
        *has_suspect |= is_suspect;
        if is_suspect == request.suspect {
            candidates.push(Candidate { id: DeliveryId::from_i64(row.get(0)?), since: column::timestamp(row, 1)? });
        }
    }
    Ok(candidates)
}

sql!(
    TO_LEASE =
        "SELECT fence + 1, attempts, duplicates, endpoint, provider, subject, discriminator, received_at, stage, fingerprint,
        CASE WHEN state = {LEASED} THEN lost_claims + 1 ELSE 0 END, body, shared
     FROM onramp_deliveries d LEFT JOIN onramp_bodies b ON b.id = d.id WHERE d.id = ?"
);
sql!(LEASE = "UPDATE onramp_deliveries SET state = {LEASED}, lease_until = ?, fence = ?, lost_claims = ? WHERE id = ?");

/// The statements of leases, which are looked up once for many deliveries.
struct Leasing<'a> {
    connection: &'a Connection,
    read: CachedStatement<'a>,
    write: CachedStatement<'a>,
    now: Timestamp,
    until: Timestamp,
}

impl<'a> Leasing<'a> {
    fn prepare(connection: &'a Connection, write: &str, now: Timestamp, until: Timestamp) -> rusqlite::Result<Self> {
        let (read, write) = (connection.prepare_cached(&TO_LEASE)?, connection.prepare_cached(write)?);
        Ok(Self { connection, read, write, now, until })
    }

    fn lease(&mut self, id: DeliveryId) -> rusqlite::Result<ClaimedDelivery> {
        let (mut delivery, is_shared) = self.read.query_row([id.as_i64()], |row| Ok((delivery(id, row)?, row.get(12)?)))?;
        self.write.execute(params![self.until.as_millis(), delivery.lease.fence, delivery.lost_claims, id.as_i64()])?;
        if delivery.lost_claims > 0 {
            history::add(self.connection, id, &HistoryEntry::new(HistoryKind::LeaseLost, self.now))?;
        }
        delivery.stale = is_shared && is_stale(self.connection, &delivery)?;
        Ok(delivery)
    }
}

sql!(
    BEHIND = "SELECT d.id FROM onramp_deliveries head
     CROSS JOIN onramp_deliveries d INDEXED BY onramp_deliveries_behind
     WHERE head.id = ?1 AND head.due_at = 0 AND head.stage IS NOT NULL
        AND d.waits_at IS NOT NULL AND d.subject = head.subject AND d.waits_at <= 0
        AND (d.state = {PENDING} OR (d.state = {LEASED} AND d.lease_until <= ?2 AND d.lost_claims + 1 < {SUSPECT_AFTER}))
     ORDER BY d.waits_at, d.id LIMIT ?3"
);
sql!(
    LEASE_BEHIND = "UPDATE onramp_deliveries SET state = {LEASED}, lease_until = ?, fence = ?, lost_claims = ?, waits_at = {FIRST} WHERE id = ?"
);

/// Leases the next deliveries of the order of `head`, at most `room`.
fn lease_behind(
    connection: &Connection,
    now: Timestamp,
    head: &ClaimedDelivery,
    until: Timestamp,
    room: usize,
) -> rusqlite::Result<Vec<ClaimedDelivery>> {
    let values = params![head.lease.id.as_i64(), now.as_millis(), i64::try_from(room).unwrap_or(i64::MAX)];
    let mut behind = connection.prepare_cached(&BEHIND)?;
    let mut ids = behind.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    ids.sort_unstable();
    let mut leasing = Leasing::prepare(connection, &LEASE_BEHIND, now, until)?;
    ids.into_iter().map(|id| leasing.lease(DeliveryId::from_i64(id))).collect()
}

fn delivery(id: DeliveryId, row: &Row<'_>) -> rusqlite::Result<ClaimedDelivery> {
    Ok(ClaimedDelivery {
        lease: Lease::new(id, row.get(0)?),
        attempt: row.get::<_, u32>(1)?.saturating_add(1),
        duplicates: column::count(row, 2)?,
        endpoint: row.get_ref(3)?.as_str()?.into(),
        provider: column::provider(row, 4)?,
        key: column::key(row, 5)?,
        received_at: column::timestamp(row, 7)?,
        stage: row.get::<_, Option<u8>>(8)?.map(OrderStage::from_u8),
        fingerprint: Fingerprint::from_bytes(row.get(9)?),
        lost_claims: row.get(10)?,
        body: row.get::<_, Option<Vec<u8>>>(11)?.unwrap_or_default().into(),
        stale: false,
        behind: Vec::new(),
    })
}

const LATER_HANDLED: &str = "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_handled
     WHERE handled_stage IS NOT NULL AND subject = ? AND handled_stage > ? LIMIT 1";

/// Returns whether a later stage of the order was handled.
fn is_stale(connection: &Connection, delivery: &ClaimedDelivery) -> rusqlite::Result<bool> {
    let (Some(key), Some(stage)) = (&delivery.key, delivery.stage.filter(|stage| stage.is_before(OrderStage::FINAL))) else {
        return Ok(false);
    };
    connection.prepare_cached(LATER_HANDLED)?.exists(params![key.subject(), stage.as_u8()])
}

sql!(RENEW = "UPDATE onramp_deliveries SET lease_until = ? WHERE id = ? AND fence = ? AND state = {LEASED}");

/// Renews leases, and returns those that were lost.
pub(super) fn renew(connection: &Connection, leases: &[Lease], until: Timestamp) -> rusqlite::Result<Vec<Lease>> {
    let mut renew = connection.prepare_cached(&RENEW)?;
    let mut lost = Vec::new();
    for lease in leases {
        if renew.execute(params![until.as_millis(), lease.id.as_i64(), lease.fence])? == 0 {
            lost.push(*lease);
        }
    }
    Ok(lost)
}
