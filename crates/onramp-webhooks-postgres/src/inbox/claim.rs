//! Claiming of due deliveries, and renewal of leases.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::OrderStage;
use onramp_webhooks::inbox::{
    Candidate, Candidates, ClaimRequest, ClaimedDelivery, Claims, DeliveryId, HistoryEntry, HistoryKind, Lease, SUSPECT_AFTER,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::fronts::Fronts;
use super::history;
use super::state::{HANDLED, LEASED, PARKED, PENDING, RETRYING, sql};
use crate::db::{Schema, column, text};

const UNPLACED: u8 = OrderStage::UNPLACED.as_u8();

// Reads the heads of orders that are due, and the time at which the next one is, at the endpoints in `queue`. `$3` are endpoints to leave
// out, and `$4` deliveries.
sql!(
    LISTS = "SELECT queue.endpoint, found.* FROM queue CROSS JOIN LATERAL (
        (SELECT 'untried' AS list, id, received_at AS since FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND id > 0 AND due_at = 0 AND id >= queue.first_id AND id <> ALL ($4)
            AND (state IN ({PENDING}, {RETRYING}, {PARKED})
                OR (state = {LEASED} AND lease_until <= $2 AND lost_claims + 1 < {SUSPECT_AFTER}))
            AND queue.endpoint <> ALL ($3)
         ORDER BY id LIMIT $1)
        UNION ALL
        (SELECT 'newest', id, received_at FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND id > 0 AND due_at = 0 AND id >= queue.first_id AND id <> ALL ($4)
            AND (state IN ({PENDING}, {RETRYING}, {PARKED})
                OR (state = {LEASED} AND lease_until <= $2 AND lost_claims + 1 < {SUSPECT_AFTER}))
            AND queue.endpoint <> ALL ($3)
         ORDER BY id DESC LIMIT $1)
        UNION ALL
        (SELECT 'again', id, due_at FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND id > 0 AND due_at > 0 AND due_at <= $2 AND id <> ALL ($4)
            AND (state IN ({PENDING}, {RETRYING}, {PARKED})
                OR (state = {LEASED} AND lease_until <= $2 AND lost_claims + 1 < {SUSPECT_AFTER}))
            AND queue.endpoint <> ALL ($3)
         ORDER BY due_at, id LIMIT $1)
        UNION ALL
        (SELECT 'untried suspect', id, received_at FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND lost_claims > 0
            AND due_at = 0 AND state = {LEASED} AND lease_until <= $2 AND lost_claims + 1 >= {SUSPECT_AFTER} AND id <> ALL ($4)
            AND queue.endpoint <> ALL ($3)
         ORDER BY id LIMIT $1)
        UNION ALL
        (SELECT 'suspect again', id, due_at FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND lost_claims > 0
            AND due_at > 0 AND due_at <= $2 AND state = {LEASED} AND lease_until <= $2 AND lost_claims + 1 >= {SUSPECT_AFTER} AND id <> ALL ($4)
            AND queue.endpoint <> ALL ($3)
         ORDER BY due_at, id LIMIT $1)
        UNION ALL
        (SELECT 'next', NULL, due_at FROM onramp.deliveries
         WHERE hashtextextended(endpoint, 0) = queue.hash AND due_at IS NOT NULL AND id > 0 AND due_at > $2 ORDER BY due_at LIMIT 1)
        UNION ALL
        (SELECT 'endpoint', NULL, 0)
    ) AS found"
);

// Reads the heads of all endpoints. The recursion jumps from one endpoint to the next in the index.
sql!(
    CANDIDATES = "WITH RECURSIVE queue AS (
        (SELECT hashtextextended(endpoint, 0) AS hash, endpoint, 0::bigint AS first_id FROM onramp.deliveries
         WHERE due_at IS NOT NULL AND id > 0 ORDER BY hashtextextended(endpoint, 0) LIMIT 1)
        UNION ALL
        SELECT next.* FROM queue CROSS JOIN LATERAL (
            SELECT hashtextextended(d.endpoint, 0), d.endpoint, 0::bigint FROM onramp.deliveries d
            WHERE d.due_at IS NOT NULL AND d.id > 0 AND hashtextextended(d.endpoint, 0) > queue.hash
            ORDER BY hashtextextended(d.endpoint, 0) LIMIT 1) AS next
    )
    {lists}",
    lists = LISTS
);

// Reads the heads of the endpoints `$5`. Of those that were never tried, it leaves out the ones before `$6`.
sql!(
    NEXT_CANDIDATES = "WITH queue AS (
        SELECT hashtextextended(endpoint, 0) AS hash, endpoint, first_id FROM UNNEST($5::text[], $6::bigint[]) AS known (endpoint, first_id)
    )
    {lists}",
    lists = LISTS
);

/// Leases due deliveries. The caller must hold the lock for claims. Without it, two claims would choose the same deliveries.
///
/// Deliveries that another transaction is changing are left out. If these are all that were chosen, the claim chooses again.
pub(super) async fn claim(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    request: &ClaimRequest,
    fronts: &Fronts,
) -> sqlx::Result<Claims> {
    let mut skipped = Vec::new();
    loop {
        let (due, chosen) = choose(connection, schema, now, request, &skipped, fronts).await?;
        let until = now.after(request.lease);
        let mut claimed = lease_all(connection, schema, now, until, &chosen).await?;
        if chosen.is_empty() || !claimed.is_empty() {
            let room = request.room_behind(claimed.len());
            lease_behind(&mut *connection, schema, now, until, &mut claimed, room).await?;
            let all = claimed.iter().flat_map(|head| [head].into_iter().chain(&head.behind));
            let lost = all.filter(|delivery| delivery.lost_claims > 0).map(|delivery| delivery.lease.id);
            let entries: Vec<_> = lost.map(|id| (id, HistoryEntry::new(HistoryKind::LeaseLost, now))).collect();
            history::add(connection, schema, &entries).await?;
            return Ok(Claims::new(claimed, due.next_due).with_suspect(due.has_suspect));
        }
        skipped.extend(chosen);
    }
}

/// Chooses the heads to lease. Looks at those from the fronts on, and at all if these do not fill the claim.
async fn choose(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    request: &ClaimRequest,
    skipped: &[i64],
    fronts: &Fronts,
) -> sqlx::Result<(Due, Vec<i64>)> {
    let chosen_of = |due: &mut Due| -> Vec<i64> {
        let limit = if request.suspect { 1 } else { usize::MAX };
        request.choose(now, std::mem::take(&mut due.candidates)).into_iter().take(limit).map(DeliveryId::as_i64).collect()
    };
    if let Some(known) = fronts.known(now).filter(|_| !request.suspect) {
        let mut due = Due::read(connection, schema, now, request, skipped, Some(&known)).await?;
        fronts.moved(&due.candidates);
        let chosen = chosen_of(&mut due);
        if chosen.len() >= request.limit {
            return Ok((due, chosen));
        }
    }
    let mut due = Due::read(connection, schema, now, request, skipped, None).await?;
    if !request.suspect {
        fronts.found(now, &due.candidates);
    }
    let chosen = chosen_of(&mut due);
    Ok((due, chosen))
}

/// The heads that are due.
struct Due {
    candidates: Vec<Candidates>,
    has_suspect: bool,
    next_due: Option<Timestamp>,
}

impl Due {
    async fn read(
        connection: &mut PgConnection,
        schema: &Schema,
        now: Timestamp,
        request: &ClaimRequest,
        skipped: &[i64],
        known: Option<&[(Arc<str>, i64)]>,
    ) -> sqlx::Result<Self> {
        let except: Vec<_> = request.except.iter().map(|endpoint| text::stored(endpoint)).collect();
        let query = schema.query(if known.is_some() { &NEXT_CANDIDATES } else { &CANDIDATES });
        let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
        let query = query.bind(limit).bind(now.as_millis()).bind(except).bind(skipped);
        let query = match known {
            Some(known) => {
                let (endpoints, first): (Vec<_>, Vec<_>) =
                    known.iter().map(|(endpoint, id)| (text::stored(endpoint), *id)).unzip();
                query.bind(endpoints).bind(first)
            }
            None => query,
        };
        let rows = query.fetch_all(connection).await?;
        let (mut lists, mut has_suspect, mut next_due) = (BTreeMap::<Arc<str>, Candidates>::new(), false, None);
        for row in &rows {
            let since = Timestamp::from_millis(row.try_get("since")?);
            let list: String = row.try_get("list")?;
            if list == "next" {
                next_due = next_due.into_iter().chain([since]).min();
                continue;
            }
            let is_suspect = list.contains("suspect");
            has_suspect |= is_suspect;
            let endpoint: Arc<str> = column::text(row, "endpoint")?.unwrap_or_default().into();
            let lists = lists.entry(Arc::clone(&endpoint)).or_insert_with(|| Candidates { endpoint, ..Candidates::default() });
            if is_suspect == request.suspect && list != "endpoint" {
                let list = match &*list {
                    "newest" => &mut lists.newest,
                    "again" | "suspect again" => &mut lists.again,
                    _ => &mut lists.untried,
                };
                list.push(Candidate { id: column::id(row)?, since });
            }
        }
        Ok(Self { candidates: lists.into_values().collect(), has_suspect, next_due })
    }
}

// The columns of a claimed delivery.
sql!(
    CLAIMED = "d.id, d.fence, d.attempts, d.lost_claims, d.duplicates, d.endpoint, d.provider, d.subject, d.discriminator, d.fingerprint,
        d.received_at, d.stage,
        (SELECT b.body FROM onramp.bodies b WHERE b.id = d.id) AS body,
        d.stage > {UNPLACED} AND EXISTS (SELECT FROM onramp.deliveries later
            WHERE later.state = {HANDLED} AND later.settled_at IS NOT NULL AND later.cause IS NULL AND later.order_key IS NOT NULL
              AND later.order_key = d.order_key AND later.stage > d.stage) AS stale"
);

// Leases deliveries, except those that another transaction is changing or has changed meanwhile.
sql!(
    LEASE = "UPDATE onramp.deliveries d SET state = {LEASED}, lease_until = $3, fence = d.fence + 1,
        lost_claims = CASE d.state WHEN {LEASED} THEN d.lost_claims + 1 ELSE 0 END
    WHERE d.id = ANY (ARRAY (
        SELECT free.id FROM onramp.deliveries free
        WHERE free.id = ANY ($1) AND free.due_at <= $2
            AND (free.state IN ({PENDING}, {RETRYING}, {PARKED}) OR (free.state = {LEASED} AND free.lease_until <= $2))
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING {claimed}",
    claimed = CLAIMED
);

/// Leases deliveries, and returns those that were free, in the sequence of `ids`.
async fn lease_all(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    until: Timestamp,
    ids: &[i64],
) -> sqlx::Result<Vec<ClaimedDelivery>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let lease = schema.query(&LEASE).bind(ids).bind(now.as_millis()).bind(until.as_millis());
    let rows = lease.fetch_all(connection).await?;
    let claimed = rows.iter().map(delivery).collect::<sqlx::Result<Vec<_>>>()?;
    let mut claimed: HashMap<_, _> = claimed.into_iter().map(|delivery| (delivery.lease.id.as_i64(), delivery)).collect();
    Ok(ids.iter().filter_map(|id| claimed.remove(id)).collect())
}

// Leases the next deliveries of the orders of heads, `$1`, at most `$4` in all. The heads are locked, so no other transaction changes those
// behind them. A condition on due_at where a head is looked up would let the planner read all heads instead of the primary key.
sql!(
    LEASE_BEHIND = "UPDATE onramp.deliveries d SET state = {LEASED}, lease_until = $3, fence = d.fence + 1, waits_at = -1,
        lost_claims = CASE d.state WHEN {LEASED} THEN d.lost_claims + 1 ELSE 0 END
    WHERE d.id = ANY (ARRAY (
        SELECT next.id FROM UNNEST($1::bigint[]) WITH ORDINALITY AS claimed (id, nth)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN due_at = 0 THEN order_key END AS order_key FROM onramp.deliveries WHERE id = claimed.id LIMIT 1) AS head
        CROSS JOIN LATERAL (
            SELECT b.id, b.waits_at FROM onramp.deliveries b
            WHERE b.order_key = head.order_key AND b.waits_at IS NOT NULL AND b.waits_at <= 0
                AND (b.state = {PENDING} OR (b.state = {LEASED} AND b.lease_until <= $2 AND b.lost_claims + 1 < {SUSPECT_AFTER}))
            ORDER BY b.waits_at, b.id LIMIT $4) AS next
        ORDER BY claimed.nth, next.waits_at, next.id LIMIT $4
    ))
    RETURNING {claimed}",
    claimed = CLAIMED
);

/// Leases the next deliveries of the orders of `heads`, at most `room`.
async fn lease_behind(
    connection: &mut PgConnection,
    schema: &Schema,
    now: Timestamp,
    until: Timestamp,
    heads: &mut [ClaimedDelivery],
    room: usize,
) -> sqlx::Result<()> {
    if room == 0 || heads.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = heads.iter().map(|head| head.lease.id.as_i64()).collect();
    let lease = schema.query(&LEASE_BEHIND).bind(ids).bind(now.as_millis()).bind(until.as_millis());
    let rows = lease.bind(i64::try_from(room).unwrap_or(i64::MAX)).fetch_all(connection).await?;
    let mut claimed = rows.iter().map(delivery).collect::<sqlx::Result<Vec<_>>>()?;
    claimed.sort_unstable_by_key(|delivery| delivery.lease.id);
    // A delivery without a stage has the subject of an order, and belongs to none.
    let of_orders = heads.iter_mut().filter(|head| head.stage.is_some());
    let mut orders: HashMap<_, _> =
        of_orders.filter_map(|head| Some((head.key.as_ref()?.subject().to_owned(), &mut head.behind))).collect();
    for delivery in claimed {
        if let Some(behind) = delivery.key.as_ref().and_then(|key| orders.get_mut(key.subject())) {
            behind.push(delivery);
        }
    }
    Ok(())
}

fn delivery(row: &PgRow) -> sqlx::Result<ClaimedDelivery> {
    Ok(ClaimedDelivery {
        lease: lease(row)?,
        attempt: column::attempts(row)?.saturating_add(1),
        lost_claims: u32::try_from(row.try_get::<i64, _>("lost_claims")?).unwrap_or(u32::MAX),
        duplicates: column::count(row, "duplicates")?,
        endpoint: Arc::from(column::text(row, "endpoint")?.unwrap_or_default()),
        provider: column::provider(row)?,
        key: column::key(row)?,
        fingerprint: column::fingerprint(row)?,
        received_at: Timestamp::from_millis(row.try_get("received_at")?),
        stage: column::stage(row)?,
        body: Bytes::from(row.try_get::<Option<Vec<u8>>, _>("body")?.unwrap_or_default()),
        stale: row.try_get::<Option<bool>, _>("stale")?.unwrap_or(false),
        behind: Vec::new(),
    })
}

fn lease(row: &PgRow) -> sqlx::Result<Lease> {
    Ok(Lease::new(column::id(row)?, row.try_get("fence")?))
}

// Locks the rows in the order of the arrays or of the primary key, which is the same.
sql!(
    RENEW = "UPDATE onramp.deliveries d SET lease_until = $3 FROM UNNEST($1::bigint[], $2::bigint[]) AS held (id, fence)
    WHERE d.id = held.id AND d.fence = held.fence AND d.state = {LEASED}
    RETURNING d.id, d.fence"
);

/// Renews leases, and returns those that were lost.
pub(super) async fn renew(
    connection: &mut PgConnection,
    schema: &Schema,
    leases: &[Lease],
    until: Timestamp,
) -> sqlx::Result<Vec<Lease>> {
    let mut sorted = leases.to_vec();
    sorted.sort_unstable_by_key(|lease| lease.id);
    let (ids, fences) = numbers(sorted.iter());
    let rows = schema.query(&RENEW).bind(ids).bind(fences).bind(until.as_millis()).fetch_all(connection).await?;
    let held = held(&rows)?;
    Ok(leases.iter().filter(|lease| !held.contains(lease)).copied().collect())
}

/// Splits leases into two arrays.
pub(super) fn numbers<'a>(leases: impl Iterator<Item = &'a Lease>) -> (Vec<i64>, Vec<i64>) {
    leases.map(|lease| (lease.id.as_i64(), lease.fence)).unzip()
}

/// Returns the leases that a statement found to be held.
pub(super) fn held(rows: &[PgRow]) -> sqlx::Result<HashSet<Lease>> {
    rows.iter().map(lease).collect()
}
