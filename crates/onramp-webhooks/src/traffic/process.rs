//! The processes that use an inbox.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::slots;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::inbox::Inbox;

/// The name of the state that lists the processes.
const TASK: &str = "traffic/processes";

/// Time after which a process that says nothing is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Time after which a process that says nothing does not run any more. It speaks every minute.
const ENDED_AFTER: Duration = Duration::from_secs(3 * 60);

/// Maximum number of processes that are kept.
const MOST_KEPT: usize = 100;

/// A process that receives or handles deliveries of an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// A random name, which it has since its start.
    pub id: String,
    /// The version of this crate that it runs.
    pub version: String,
    /// The time of its start.
    #[serde(with = "millis")]
    pub started_at: Timestamp,
    /// The last sign of life. A process gives one every minute.
    #[serde(with = "millis")]
    pub seen_at: Timestamp,
    /// The status of the endpoints of its receiver at that time. Empty for a worker without a receiver.
    pub(crate) endpoints: Vec<Value>,
}

impl Process {
    /// Returns whether the last sign of life is at most three minutes old. One that is further ahead was given by a clock that was wrong.
    #[must_use]
    pub fn is_running(&self, now: Timestamp) -> bool {
        apart(self.seen_at, now) <= ENDED_AFTER
    }
}

/// Returns the time between two moments, in either sequence.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

/// Stores a sign of life.
pub(super) async fn store(inbox: &dyn Inbox, process: &Process) -> Result<(), StoreError> {
    slots::change(inbox, TASK, |text| {
        let mut processes = read(text);
        processes.retain(|other| other.id != process.id && apart(process.seen_at, other.seen_at) < FORGOTTEN_AFTER);
        processes.push(process.clone());
        let surplus = processes.len().saturating_sub(MOST_KEPT);
        processes.drain(..surplus);
        serde_json::to_string(&processes).ok()
    })
    .await
}

/// Returns the processes that used the inbox in the last day, the one that was seen last at the end.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn processes(inbox: &dyn Inbox) -> Result<Vec<Process>, StoreError> {
    Ok(read(&inbox.task_state(TASK).await?.text))
}

/// Reads the list. A process of a version that writes it in another way is left out.
fn read(text: &str) -> Vec<Process> {
    let all: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    all.into_iter().filter_map(|process| serde_json::from_value(process).ok()).collect()
}

/// Timestamps as milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::Timestamp;

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}
