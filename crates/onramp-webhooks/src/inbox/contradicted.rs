//! Finding the delivery that a conflict contradicts.

use super::{Filter, Inbox, Record, find_first};
use crate::error::StoreError;
use crate::identity::DedupKey;

/// Returns the first delivery with the key of a conflict, with its body; `None` for a delivery that is no conflict, or if the first one
/// is not kept any more.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn contradicted(inbox: &dyn Inbox, conflict: &Record) -> Result<Option<Record>, StoreError> {
    let Some(key) = conflict.key.as_ref().and_then(DedupKey::contradicted) else { return Ok(None) };
    match find_first(inbox, Filter::all().key(key)).await? {
        Some(first) => inbox.show(first.id).await,
        None => Ok(None),
    }
}
