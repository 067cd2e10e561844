//! The spill on the disk of one machine, as one of its processes reaches it.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use onramp_webhooks::spill::{MovingLock, SpillStore};
use onramp_webhooks::{StoreError, StoreErrorKind};
use onramp_webhooks_testkit::doubles::{SpillCall, SpillDouble};
use tokio::time::sleep;

use crate::life::Life;
use crate::plan::millis;
use crate::world::{World, locked};

/// The process that moves deliveries.
pub(crate) type Moving = Arc<Mutex<Option<Arc<Life>>>>;

pub(crate) struct Disk {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
    pub(crate) spill: Arc<dyn SpillStore>,
    pub(crate) moving: Moving,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

#[async_trait]
impl SpillDouble for Disk {
    fn inner(&self) -> &dyn SpillStore {
        &*self.spill
    }

    async fn before(&self, call: SpillCall) -> Result<(), StoreError> {
        self.life.runs().await;
        if fastrand::bool() {
            sleep(millis(10)).await;
        }
        self.life.runs().await;
        self.world.note(format_args!("{} calls the spill: {call:?}", self.life.number()));
        match self.world.fails(self.world.plan.spill_error) {
            true => Err(StoreError::new(StoreErrorKind::Unavailable, "simulation").because("the disk failed")),
            false => Ok(()),
        }
    }

    async fn after(&self, _: SpillCall) -> Result<(), StoreError> {
        if fastrand::bool() {
            sleep(millis(10)).await;
        }
        self.life.runs().await;
        Ok(())
    }

    /// The lock of a process that has ended is free.
    async fn lock(&self) -> Result<Option<MovingLock>, StoreError> {
        self.before(SpillCall::Lock).await?;
        let mut moving = locked(&self.moving);
        if moving.as_ref().is_some_and(|holder| !holder.is_dead()) {
            return Ok(None);
        }
        *moving = Some(Arc::clone(&self.life));
        Ok(Some(MovingLock::holding(Unlock { moving: Arc::clone(&self.moving), life: Arc::clone(&self.life) })))
    }
}

struct Unlock {
    moving: Moving,
    life: Arc<Life>,
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut moving = locked(&self.moving);
        if moving.as_ref().is_some_and(|holder| Arc::ptr_eq(holder, &self.life)) {
            *moving = None;
        }
    }
}
