//! Workers: call the handler for due deliveries and settle them.

mod attempt;
mod behind;
mod builder;
mod checks;
mod delivery;
mod handler;
mod handling;
mod held;
mod idle;
mod life;
mod periodic_task;
mod prune;
mod reread;
mod run;
mod store_traffic;
mod transactional;

use std::fmt;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::builder::WorkerBuilder;
pub use self::delivery::Delivery;
pub use self::handler::{Handler, HandlerError, HandlerErrorKind, ResultExt, TransactionalHandler};
use self::idle::IdleRequests;
pub(crate) use self::life::{Workers, WorkersStatus};
pub use self::periodic_task::PeriodicTask;
pub use self::prune::PruneInbox;
pub(crate) use self::prune::in_rounds;
pub use crate::retry::RetryPolicy;

/// A running worker. Dropping it leaves it running; [`shutdown`](Self::shutdown) ends it.
pub struct Worker {
    stop: watch::Sender<bool>,
    idle: IdleRequests,
    task: JoinHandle<()>,
}

impl Worker {
    /// Waits until no delivery is due: every delivery that was due at the call, or has become due since, has been handled, has
    /// failed or was parked. Deliveries that wait for a later time do not count. Returns at once after a shutdown. Cancel-safe.
    ///
    /// Intended for tests and for draining an inbox before maintenance.
    pub async fn idle(&self) {
        self.idle.wait().await;
    }

    /// Shuts the worker down: stops claiming, releases deliveries that have not started, and waits for running handlers and
    /// periodic tasks, at most for the [grace](WorkerBuilder::grace). Handlers that are still running after that are dropped at
    /// their next await, and their deliveries are released. An inbox that does not respond can prolong the shutdown by 55 seconds.
    ///
    /// Not cancel-safe: if the call is dropped, the shutdown continues, but is not awaited.
    ///
    /// # Panics
    /// If the worker itself panicked, which is a bug in this crate.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("finished", &self.task.is_finished()).finish_non_exhaustive()
    }
}
