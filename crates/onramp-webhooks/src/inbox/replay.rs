//! Replays: operators have deliveries handled again.

use super::{Filter, Inbox, Record, State, find_first};
use crate::clock::Timestamp;
use crate::delivery::{DeliveryId, NewDelivery, read};
use crate::error::{StoreError, StoreErrorKind};
use crate::identity::DedupKey;
use crate::provider::{Providers, ReadError};

/// A request to handle a delivery again; see [`Inbox::requeue`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Requeue {
    /// The time of the request.
    pub at: Timestamp,
    /// The delivery.
    pub id: DeliveryId,
    /// The state in which it was seen. A delivery in another state is left as it is.
    pub seen: State,
    /// The delivery as this version reads it from the body; `None` keeps its type, key and order.
    pub reread: Option<NewDelivery>,
}

impl Requeue {
    /// Creates a request for a delivery that was seen in a state.
    #[must_use]
    pub const fn new(at: Timestamp, id: DeliveryId, seen: State) -> Self {
        Self { at, id, seen, reread: None }
    }

    /// Sets the delivery as this version reads it.
    #[must_use]
    pub fn reread(mut self, reread: impl Into<Option<NewDelivery>>) -> Self {
        self.reread = reread.into();
        self
    }
}

/// The result of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replayed {
    /// The delivery is due, and its count of attempts was reset.
    Due,
    /// The quarantined delivery is readable now, and its event was already known. The quarantined copy was removed.
    Duplicate {
        /// The first delivery with the key.
        first: DeliveryId,
    },
    /// The quarantined delivery is readable now, and contradicts an earlier delivery with its key. It is kept as a conflict.
    Conflict {
        /// The first delivery with the key.
        first: DeliveryId,
    },
    /// The quarantined delivery still cannot be read.
    StillUnreadable {
        /// The reason.
        reason: String,
    },
}

/// The states that a replay may start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayScope {
    /// Dead letters, quarantined and waiting deliveries.
    Unhandled,
    /// Also conflicts. The first delivery of the event may have been handled already, and the handler gets the conflict **under
    /// another key**: compare the two deliveries first.
    EvenConflicts,
    /// Also handled deliveries, and dead letters whose [result is unknown](Record::has_unknown_result). The handler may run a second
    /// time. Conflicts are left out, because a second run is not a second purchase of the same order.
    EvenHandled,
}

/// Makes a delivery due at once and resets its count of attempts. A quarantined delivery is first read again by the current version
/// of `providers`.
///
/// # Errors
/// Returns [`NotFound`](StoreErrorKind::NotFound) if there is no such delivery, [`Refused`](StoreErrorKind::Refused) if a worker
/// holds the delivery, if `scope` does not include it, if an operator has [resolved](Inbox::resolve) it, if its state changed meanwhile, if
/// its body was removed, or if a [repair](crate::identity::DedupKey::repair) of the same event was handled or waits to be and
/// `scope` is not [`EvenHandled`](ReplayScope::EvenHandled), and the errors of the inbox.
pub async fn replay(
    inbox: &dyn Inbox,
    providers: &Providers,
    id: DeliveryId,
    scope: ReplayScope,
    now: Timestamp,
) -> Result<Replayed, StoreError> {
    let record = inbox.show(id).await?.ok_or(StoreError::new(StoreErrorKind::NotFound, "replay"))?;
    let refused = |why: &str| Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why.to_owned()));
    match record.state {
        State::Leased => return refused("a worker holds it"),
        State::Unknown => return refused("this version does not know its state"),
        State::Handled if scope != ReplayScope::EvenHandled => return refused("it was handled"),
        State::Conflict if scope != ReplayScope::EvenConflicts => return refused("it contradicts an earlier delivery"),
        _ if record.resolved_at.is_some() => return refused("an operator has resolved it; reopen it first"),
        _ if record.has_unknown_result() && scope != ReplayScope::EvenHandled => {
            return refused("its handler may have succeeded; look at what it did first");
        }
        _ if record.body.is_none() => return refused("its body was removed"),
        State::Quarantined if read::is_cut(record.key.as_ref()) => {
            return Ok(Replayed::StillUnreadable { reason: record.note.unwrap_or_default() });
        }
        _ => {}
    }
    if scope != ReplayScope::EvenHandled
        && let Some(repair) = repair_of(inbox, &record).await?
    {
        return refused(&format!("the same event was repaired as delivery {repair}"));
    }
    let request = Requeue::new(now, id, record.state);
    if record.state != State::Quarantined {
        return inbox.requeue(request).await;
    }
    match reread(&record, providers, now) {
        Ok(reread) => inbox.requeue(request.reread(reread)).await,
        Err(reason) => Ok(Replayed::StillUnreadable { reason }),
    }
}

/// Returns the repair of an event, if it was handled or waits to be.
async fn repair_of(inbox: &dyn Inbox, record: &Record) -> Result<Option<DeliveryId>, StoreError> {
    let Some(key) = record.key.as_ref().map(DedupKey::repair) else { return Ok(None) };
    let repair = find_first(inbox, Filter::all().key(key)).await?;
    let ended_otherwise = |state| matches!(state, State::Dead | State::Quarantined | State::Conflict);
    let repair = repair.filter(|repair| repair.id != record.id && !ended_otherwise(repair.state));
    Ok(repair.map(|repair| repair.id))
}

/// Replays every delivery that matches `filter`, the oldest first. The limit of the filter is used as the page size. Deliveries that are
/// recorded meanwhile are left out. Returns the result for each delivery.
///
/// # Errors
/// Returns an error if the inbox cannot be read. Deliveries that were replayed before the error stay replayed.
pub async fn replay_all(
    inbox: &dyn Inbox,
    providers: &Providers,
    filter: Filter,
    scope: ReplayScope,
    now: Timestamp,
) -> Result<Vec<(DeliveryId, Result<Replayed, StoreError>)>, StoreError> {
    let mut replayed = Vec::new();
    let Some(newest) = find_first(inbox, Filter { oldest_first: false, ..filter.clone() }).await? else { return Ok(replayed) };
    let mut next = Some(filter.oldest_first());
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await?;
        for record in page.records.iter().take_while(|record| record.id <= newest.id) {
            replayed.push((record.id, replay(inbox, providers, record.id, scope, now).await));
        }
        next = filter.following(&page).filter(|next| next.after.is_none_or(|after| after < newest.id));
    }
    Ok(replayed)
}

/// Reads a delivery again. The error is the reason why it still cannot be read.
fn reread(record: &Record, providers: &Providers, now: Timestamp) -> Result<NewDelivery, String> {
    let decoder =
        providers.find(&record.provider).ok_or_else(|| ReadError::UnknownProvider(record.provider.clone()).to_string())?;
    let reread = read::delivery(&record.endpoint, decoder, now, record.body.clone().unwrap_or_default()).delivery;
    reread.quarantine.clone().map_or(Ok(reread), |quarantine| Err(quarantine.reason))
}
