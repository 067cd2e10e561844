//! The wall clock of all simulated processes: virtual time, and the jumps of the clock.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::clock::{Clock, Timestamp};

use crate::life::Life;
use crate::world::World;

pub(crate) struct WallClock {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
}

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Sleeps as the machine's clock does: for the time that is left now, whatever the clock does meanwhile.
    async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep(moment.since(self.now())).await;
        self.life.runs().await;
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}
