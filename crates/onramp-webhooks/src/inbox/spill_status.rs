//! The status of a spill, for operators.

use crate::clock::Timestamp;
use crate::error::StoreError;

/// The status of a [spill](crate::spill).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpillStatus {
    /// The number of deliveries that wait in the spill, including those of other processes that share it.
    pub waiting: u64,
    /// The time of arrival of the delivery that has waited longest; `None` if none waits.
    pub oldest: Option<Timestamp>,
    /// The time since which deliveries go to the spill; `None` if they go to the primary inbox.
    pub open_since: Option<Timestamp>,
    /// The last error of the primary inbox, while deliveries go to the spill.
    pub error: Option<StoreError>,
}
