//! The rhythm as the inbox remembers it.

use super::rhythm::{HOUR, WINDOW};
use crate::clock::Timestamp;
use crate::inbox::{DeliveryId, Filter, Inbox, Record};
use crate::store_error::StoreError;

/// Deliveries a look.
const PAGE: usize = 200;

/// Looks, at most: two for every hour of the window, and as many that looked too far.
const MOST_LOOKS: u32 = 2_000;

/// Shows `see` deliveries of the 14 days before the newest one, so that each hour in which any came is seen: all of them when they are
/// few, and from busier times a page every half an hour or so. Answers whether it left any out.
///
/// With `endpoint`, only its own are looked at, which takes a store longer that has many others.
pub(super) async fn read(
    inbox: &dyn Inbox,
    endpoint: Option<&str>,
    now: Timestamp,
    mut see: impl FnMut(&Record),
) -> Result<bool, StoreError> {
    let mut reached: Option<(DeliveryId, Timestamp)> = None;
    let mut begin = None;
    let mut skip = 0_i64;
    let mut skipped = false;
    for _ in 0..MOST_LOOKS {
        let page = inbox.list(Filter { endpoint: endpoint.map(str::to_owned), ..older_than(reached, skip) }).await?;
        page.iter().filter(|record| record.received_at <= now).for_each(&mut see);
        let advance = page.last().map(|oldest| reached.map_or(WINDOW, |(_, at)| at.since(oldest.received_at)));
        if skip > 0 && advance.is_none_or(|advance| advance > HOUR) {
            // Too far: an hour in between may have had deliveries.
            skip /= 4;
            continue;
        }
        skipped |= skip > 0;
        let (Some(newest), Some(oldest), Some(advance)) = (page.first(), page.last(), advance) else { break };
        let begin = *begin.get_or_insert_with(|| newest.received_at.before(WINDOW));
        if oldest.received_at < begin || page.len() < PAGE {
            break;
        }
        skip = if advance < HOUR / 2 { (skip * 2).max(i64::try_from(PAGE).unwrap_or(1)) } else { skip };
        reached = Some((oldest.id, oldest.received_at));
    }
    Ok(skipped)
}

fn older_than(reached: Option<(DeliveryId, Timestamp)>, skip: i64) -> Filter {
    let filter = Filter::all().limit(PAGE);
    match reached {
        Some((id, _)) => filter.before(DeliveryId::from_i64(id.as_i64().saturating_sub(skip))),
        None => filter,
    }
}

/// When the newest delivery of one endpoint came.
pub(super) async fn newest(inbox: &dyn Inbox, endpoint: &str) -> Result<Option<Timestamp>, StoreError> {
    let newest = inbox.list(Filter::all().endpoint(endpoint).limit(1)).await?;
    Ok(newest.first().map(|record| record.received_at))
}
