//! From the inbox to the handler: claims what is due, runs the handler, settles what came of it.

mod attempt;
mod builder;
mod checks;
mod chore;
mod handling;
mod held;
mod retry;
mod run;
mod transactional;

use std::fmt;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::builder::WorkerBuilder;
pub use self::chore::Chore;
pub use self::retry::RetryPolicy;

/// A running worker. Dropping this leaves it running; [`shutdown`](Self::shutdown) ends it.
pub struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Stops claiming, gives back what has not begun, waits for the handlers that run (at most the
    /// [grace](WorkerBuilder::grace); then they are dropped at their next await and given back, too) and for chores as long, and
    /// returns when nothing runs any more. An inbox that does not answer can
    /// make it 45 seconds longer.
    ///
    /// Not cancel-safe: a call that is dropped has begun the shutdown and does not wait for it.
    ///
    /// # Panics
    /// When the worker itself had panicked, which is a bug in this crate.
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
