//! Giving a delivery to the handler once more, because a person says so.

use super::{DeliveryId, Filter, Inbox, NewDelivery, Record, State};
use crate::clock::Timestamp;
use crate::receiver::read;
use crate::store_error::{StoreError, StoreErrorKind};

/// What a replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replayed {
    /// It is due, with all its attempts before it.
    Due,
    /// It was in quarantine and can be read now, but its event had come in again since then; what was in quarantine is gone.
    Duplicate {
        /// The delivery that holds the event.
        first: DeliveryId,
    },
    /// It was in quarantine and can be read now, but contradicts a delivery with its key; it is kept as a conflict.
    Conflict {
        /// The delivery that holds the key.
        first: DeliveryId,
    },
    /// It was in quarantine and still cannot be read.
    StillUnreadable {
        /// Why.
        reason: String,
    },
}

/// Which states a replay may start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayScope {
    /// What has not been handled and contradicts nothing: dead letters, quarantine, and what waits for its time.
    Unhandled,
    /// Also conflicts. The handler runs for an event whose first version it may have handled, **under a key of its own**: a person
    /// has compared the two before.
    EvenConflicts,
    /// Also conflicts, and what has been handled: its handler runs a second time.
    EvenHandled,
}

/// Arms a delivery again: dead letters, conflicts and waiting ones fall due at once with a fresh count of attempts; what lies in
/// quarantine is read again with the rules of this version first.
///
/// # Errors
/// [`NotFound`](StoreErrorKind::NotFound); [`Refused`](StoreErrorKind::Refused) when a worker holds it, `scope` does not allow its
/// state, that changed meanwhile, or its body was pruned; otherwise whatever the inbox answers.
pub async fn replay(inbox: &dyn Inbox, id: DeliveryId, scope: ReplayScope, now: Timestamp) -> Result<Replayed, StoreError> {
    let record = inbox.show(id).await?.ok_or(StoreError::new(StoreErrorKind::NotFound, "replay"))?;
    let refused = |why| Err(StoreError::new(StoreErrorKind::Refused, "replay").because(why));
    match record.state {
        State::Leased => return refused("a worker holds it"),
        State::Handled if scope != ReplayScope::EvenHandled => return refused("it was handled"),
        State::Conflict if scope == ReplayScope::Unhandled => return refused("it contradicts an earlier delivery"),
        _ if record.body.is_none() => return refused("its body was pruned"),
        State::Quarantined if read::is_cut(record.key.as_ref()) => {
            return Ok(Replayed::StillUnreadable { reason: record.note.unwrap_or_default() });
        }
        _ => {}
    }
    match reread(&record, now) {
        Some(reread) => match reread.quarantine {
            Some(quarantine) => Ok(Replayed::StillUnreadable { reason: quarantine.reason }),
            None => inbox.rearm(id, record.state, Some(reread)).await,
        },
        None => inbox.rearm(id, record.state, None).await,
    }
}

/// [`replay`] for every delivery that fits `filter`, the newest first; its limit is the size of a page here, not of the whole.
/// Answers what became of each.
///
/// # Errors
/// When the inbox cannot be read; what was replayed before that stays so.
pub async fn replay_all(
    inbox: &dyn Inbox,
    mut filter: Filter,
    scope: ReplayScope,
    now: Timestamp,
) -> Result<Vec<(DeliveryId, Result<Replayed, StoreError>)>, StoreError> {
    let mut replayed = Vec::new();
    loop {
        let page = inbox.list(filter.clone()).await?;
        let Some(oldest) = page.last() else { return Ok(replayed) };
        filter.before = Some(oldest.id);
        for record in page {
            replayed.push((record.id, replay(inbox, record.id, scope, now).await));
        }
    }
}

/// What this version reads from a delivery in quarantine; `None` when it is not in quarantine.
fn reread(record: &Record, now: Timestamp) -> Option<NewDelivery> {
    match (&record.state, &record.body) {
        (State::Quarantined, Some(body)) => {
            Some(read::delivery(&record.endpoint, record.provider, read::DEFAULT_RETRY_HORIZON, now, body.clone()).delivery)
        }
        _ => None,
    }
}
