//! Doubles of spills.

use std::fmt;

use async_trait::async_trait;
use onramp_webhooks::StoreError;
use onramp_webhooks::inbox::NewDelivery;
use onramp_webhooks::spill::{MovingLock, SpillCounts, SpillId, SpillStore};

use super::Double;

double! {
    /// The double of a spill. Calls that it does not implement are passed to [`inner`](Self::inner).
    SpillDouble of SpillStore,
    /// The calls of a spill.
    SpillCall
    {
        Append: append(delivery: NewDelivery) -> SpillId;
        Oldest: oldest(limit: usize, bytes: usize) -> Vec<(SpillId, NewDelivery)>;
        Remove: remove(ids: Vec<SpillId>) -> ();
        Counts: counts() -> SpillCounts;
        Check: check() -> ();
        Lock: lock() -> Option<MovingLock>;
    }
}
