//! The names of the endpoints that have traffic.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::slots;
use crate::error::StoreError;
use crate::inbox::Inbox;

/// The name of the state that lists them.
const TASK: &str = "traffic/endpoints";

/// Maximum number of names that are kept.
const MOST_KEPT: usize = 1_000;

/// Adds names to those that are stored.
pub(super) async fn store(inbox: &dyn Inbox, names: impl Iterator<Item = &Arc<str>> + Clone) -> Result<(), StoreError> {
    slots::change(inbox, TASK, |text| {
        let mut stored = read(text);
        let before = stored.len();
        stored.extend(names.clone().map(|name| name.to_string()).take(MOST_KEPT.saturating_sub(before)));
        (stored.len() > before).then(|| serde_json::to_string(&stored).ok()).flatten()
    })
    .await
}

/// Returns the names.
pub(super) async fn load(inbox: &dyn Inbox) -> Result<BTreeSet<String>, StoreError> {
    Ok(read(&inbox.task_state(TASK).await?.text))
}

fn read(text: &str) -> BTreeSet<String> {
    serde_json::from_str(text).unwrap_or_default()
}
