//! What a worker does by the clock, beside handling.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::WorkerBuilder;
use crate::clock::Clock;
use crate::telemetry;
use crate::unwinding::{message, unwound};

/// The first run begins within this time, or within the pause between two runs if that is shorter: workers that start together do not
/// ask a provider together.
const LATEST_START: Duration = Duration::from_secs(60);

/// Something that a [worker](super::Worker) does by the clock: see [`WorkerBuilder::chore`].
#[async_trait]
pub trait Chore: Send + Sync + 'static {
    /// What the log calls it.
    fn name(&self) -> &str;

    /// Does it once. The call is dropped at its next await when it is still running at the end of the shutdown's
    /// [grace](WorkerBuilder::grace).
    ///
    /// # Errors
    /// Why it could not be done; logged. So is a panic. It is tried again at its next time.
    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

#[async_trait]
impl<C: Chore + ?Sized> Chore for Arc<C> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        (**self).run().await
    }
}

/// A chore, and the pause between the end of one run and the beginning of the next.
#[derive(Clone)]
pub(super) struct Scheduled {
    pub(super) every: Duration,
    pub(super) chore: Arc<dyn Chore>,
}

/// Begins all chores, each in a task of its own, so that one that computes for long does not stop the others or the worker.
pub(super) fn begin(worker: &WorkerBuilder, stopped: &watch::Receiver<bool>) -> JoinSet<()> {
    let scheduled = |scheduled: &Scheduled| {
        let keeping = Keeping {
            every: scheduled.every,
            chore: Arc::clone(&scheduled.chore),
            clock: Arc::clone(&worker.clock),
            grace: worker.grace,
            stopped: stopped.clone(),
        };
        keeping.keep()
    };
    worker.chores.iter().map(scheduled).collect()
}

struct Keeping {
    every: Duration,
    chore: Arc<dyn Chore>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    stopped: watch::Receiver<bool>,
}

impl Keeping {
    /// Runs the chore again and again, until the worker is shut down.
    async fn keep(mut self) {
        let mut pause = self.every.min(LATEST_START).mul_f64(fastrand::f64());
        loop {
            let next = self.clock.now().after(pause);
            tokio::select! {
                () = stop(&mut self.stopped) => return,
                () = self.clock.sleep_until(next) => {}
            }
            if !self.run().await {
                return;
            }
            pause = self.every;
        }
    }

    /// Runs the chore once. `false`: the worker was shut down meanwhile, and the grace is over.
    async fn run(&mut self) -> bool {
        let chore = Arc::clone(&self.chore);
        let grace = self.grace;
        let outcome = tokio::select! {
            outcome = unwound(async { chore.run().await }) => Some(outcome),
            () = async { stop(&mut self.stopped).await; tokio::time::sleep(grace).await } => None,
        };
        let name = self.chore.name();
        let result = match &outcome {
            Some(Ok(Ok(()))) => "done",
            Some(Ok(Err(error))) => {
                tracing::error!(chore = name, error = %Causes(&**error), "failed; tried again next time");
                "failed"
            }
            Some(Err(panic)) => {
                tracing::error!(chore = name, panic = message(&**panic), "panicked; tried again next time");
                "panicked"
            }
            None => {
                tracing::warn!(chore = name, "still running at the end of the shutdown's grace; dropped");
                "dropped"
            }
        };
        telemetry::chore_ended(name, result);
        outcome.is_some()
    }
}

/// Waits for a shutdown, which a worker that was dropped never has.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending().await
    }
}

/// An error and the causes behind it.
struct Causes<'a>(&'a (dyn Error + Send + Sync));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(deeper) = cause {
            write!(f, ": {deeper}")?;
            cause = deeper.source();
        }
        Ok(())
    }
}
