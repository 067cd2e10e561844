//! The state of periodic reconciliations, which all processes share.

use std::collections::BTreeMap;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::{DeliveryId, TaskState};
use onramp_webhooks::{StoreError, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::Reconciler;

/// Time for which a process holds the reconciliation of an endpoint after each [`save`](Progress::save). If the process ends without
/// giving it up, others wait for so long.
const LEASE: Duration = Duration::from_secs(120);

/// The state of an endpoint's reconciliations, as it was loaded.
#[derive(Debug)]
pub(super) struct Progress {
    task: TaskState,
    stored: Stored,
}

/// The stored state. Times are milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    beginning: Option<i64>,
    /// All orders that were created before are reconciled or unfinished.
    orders_until: Option<i64>,
    /// All deliveries up to this id are reconciled or unfinished.
    deliveries_until: Option<i64>,
    /// Orders to look up again, with the times of their creation.
    unfinished: BTreeMap<String, i64>,
    held_until: Option<i64>,
}

impl Progress {
    pub(super) async fn load(reconciler: &Reconciler) -> Result<Self, StoreError> {
        let name = format!("reconciliation of {}", reconciler.endpoint);
        let task = reconciler.inbox.task_state(&name).await?;
        let stored = match &*task.text {
            "" => Stored::default(),
            text => serde_json::from_str(text).map_err(|error| {
                StoreError::new(StoreErrorKind::Unusable, "read the state of the reconciliation").because(error)
            })?,
        };
        Ok(Self { task, stored })
    }

    /// Stores the state. Returns `false` if another process has stored one since it was loaded.
    pub(super) async fn save(&mut self, reconciler: &Reconciler) -> Result<bool, StoreError> {
        let text = serde_json::to_string(&self.stored)
            .map_err(|error| StoreError::new(StoreErrorKind::Unusable, "write the state of the reconciliation").because(error))?;
        let version = self.task.version;
        let is_saved = reconciler.inbox.set_task_state(self.task.clone().at(version, text)).await?;
        self.task.version = version.saturating_add(1);
        Ok(is_saved)
    }

    pub(super) fn beginning(&self) -> Option<Timestamp> {
        self.stored.beginning.map(Timestamp::from_millis)
    }

    pub(super) fn set_beginning(&mut self, beginning: Timestamp) {
        self.stored.beginning = Some(beginning.as_millis());
    }

    pub(super) fn orders_until(&self) -> Option<Timestamp> {
        self.stored.orders_until.map(Timestamp::from_millis)
    }

    pub(super) fn set_orders_until(&mut self, until: Timestamp) {
        self.stored.orders_until = Some(until.as_millis());
    }

    pub(super) fn deliveries_until(&self) -> Option<DeliveryId> {
        self.stored.deliveries_until.map(DeliveryId::from_i64)
    }

    pub(super) fn set_deliveries_until(&mut self, until: DeliveryId) {
        self.stored.deliveries_until = Some(until.as_i64());
    }

    /// Returns the orders to look up again that were created before `time`.
    pub(super) fn unfinished_before(&self, time: Timestamp) -> Vec<OrderId> {
        let before = self.stored.unfinished.iter().filter(|(_, created_at)| **created_at < time.as_millis());
        before.map(|(id, _)| OrderId::from(&**id)).collect()
    }

    pub(super) fn unfinished_orders(&self) -> usize {
        self.stored.unfinished.len()
    }

    pub(super) fn add_unfinished(&mut self, order: &OrderId, created_at: Timestamp) {
        self.stored.unfinished.entry(order.as_str().to_owned()).or_insert(created_at.as_millis());
    }

    pub(super) fn remove_unfinished(&mut self, order: &OrderId) {
        self.stored.unfinished.remove(order.as_str());
    }

    /// Removes orders that are older than `oldest`.
    pub(super) fn forget_unfinished(&mut self, oldest: Timestamp) {
        self.stored.unfinished.retain(|_, created_at| *created_at >= oldest.as_millis());
    }

    /// Returns `true` if a process holds the reconciliation. A longer lease than there can be is due to a wrong clock, and is ignored.
    pub(super) fn is_held(&self, now: Timestamp) -> bool {
        self.stored.held_until.is_some_and(|until| now.as_millis() < until && until <= now.after(LEASE).as_millis())
    }

    pub(super) fn hold(&mut self, now: Timestamp) {
        self.stored.held_until = Some(now.after(LEASE).as_millis());
    }

    pub(super) fn give_up(&mut self) {
        self.stored.held_until = None;
    }
}
