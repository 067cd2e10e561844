//! A spill that can be made to fail and to hang.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use onramp_webhooks::spill::{MemorySpill, SpillStore};
use onramp_webhooks::{StoreError, StoreErrorKind, async_trait};
pub(crate) use onramp_webhooks_testkit::doubles::SpillCall;
use onramp_webhooks_testkit::doubles::{Double, SpillDouble};

/// A spill in memory on a bad disk. Clones are the same spill.
pub(crate) type FaultySpill = Double<UnreliableSpill>;

#[derive(Clone, Debug, Default)]
pub(crate) struct UnreliableSpill {
    inner: MemorySpill,
    /// The number of failures left for each call; `None`: the call hangs.
    faults: Arc<Mutex<HashMap<SpillCall, Option<usize>>>>,
}

impl UnreliableSpill {
    pub(crate) fn errors(&self, call: SpillCall, times: usize) {
        self.faults.lock().unwrap().insert(call, Some(times));
    }

    pub(crate) fn hangs(&self, call: SpillCall) {
        self.faults.lock().unwrap().insert(call, None);
    }

    pub(crate) fn recovers(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// Returns the number of holders.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.faults)
    }
}

#[async_trait]
impl SpillDouble for UnreliableSpill {
    fn inner(&self) -> &dyn SpillStore {
        &self.inner
    }

    async fn before(&self, call: SpillCall) -> Result<(), StoreError> {
        let fault = self.faults.lock().unwrap().get(&call).copied();
        match fault {
            None | Some(Some(0)) => Ok(()),
            Some(Some(times)) => {
                self.errors(call, times - 1);
                Err(StoreError::new(StoreErrorKind::Full, "test"))
            }
            Some(None) => pending().await,
        }
    }
}
