//! Periodic tasks of a worker.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::WorkerBuilder;
use crate::clock::Clock;
use crate::panics::{caught, message};
use crate::telemetry;

/// Maximum delay of the first run. It is shorter for tasks that run more often. Delays are random, so that workers that start
/// together do not call a provider at the same time.
const LATEST_START: Duration = Duration::from_secs(60);

/// A task that a [worker](super::Worker) runs periodically; see [`WorkerBuilder::periodic_task`].
#[async_trait]
pub trait PeriodicTask: Send + Sync + 'static {
    /// Returns the name of the task in logs and metrics.
    fn name(&self) -> &str;

    /// Runs the task once. The call is dropped at its next await if it is still running at the end of the shutdown's
    /// [grace](WorkerBuilder::grace).
    ///
    /// # Errors
    /// Errors and panics are logged, and the task runs again at the next time.
    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

#[async_trait]
impl<T: PeriodicTask + ?Sized> PeriodicTask for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        (**self).run().await
    }
}

/// A task and the pause between two runs.
#[derive(Clone)]
pub(super) struct Scheduled {
    pub(super) every: Duration,
    pub(super) task: Arc<dyn PeriodicTask>,
}

/// Starts the tasks of a worker, each in a tokio task of its own, so that a long computation stops neither the others nor the worker.
pub(super) fn start(worker: &WorkerBuilder, stopped: &watch::Receiver<bool>) -> JoinSet<()> {
    let schedule = |scheduled: &Scheduled| {
        let schedule = Schedule {
            every: scheduled.every,
            task: Arc::clone(&scheduled.task),
            clock: Arc::clone(&worker.clock),
            grace: worker.grace,
            stopped: stopped.clone(),
        };
        schedule.follow()
    };
    worker.periodic_tasks.iter().map(schedule).collect()
}

struct Schedule {
    every: Duration,
    task: Arc<dyn PeriodicTask>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    stopped: watch::Receiver<bool>,
}

impl Schedule {
    /// Runs the task until the worker is shut down.
    async fn follow(mut self) {
        let mut pause = self.every.min(LATEST_START).mul_f64(fastrand::f64());
        loop {
            let next = self.clock.now().after(pause);
            tokio::select! {
                biased;
                () = stop(&mut self.stopped) => return,
                () = self.clock.sleep_until(next) => {}
            }
            if !self.run().await {
                return;
            }
            pause = self.every;
        }
    }

    /// Runs the task once. Returns `false` if the worker was shut down meanwhile and the grace is over.
    async fn run(&mut self) -> bool {
        let (task, grace) = (Arc::clone(&self.task), self.grace);
        let outcome = tokio::select! {
            biased;
            outcome = caught(async { task.run().await }) => Some(outcome),
            () = async { stop(&mut self.stopped).await; tokio::time::sleep(grace).await } => None,
        };
        let name = task.name();
        let result = match &outcome {
            Some(Ok(Ok(()))) => "done",
            Some(Ok(Err(error))) => {
                tracing::error!(task = name, error = %Causes(&**error), "a periodic task failed; it runs again at the next time");
                "failed"
            }
            Some(Err(panic)) => {
                tracing::error!(
                    task = name,
                    panic = message(&**panic),
                    "a periodic task panicked; it runs again at the next time"
                );
                "panicked"
            }
            None => {
                tracing::warn!(task = name, "a periodic task was still running at the end of the shutdown's grace; dropped");
                "dropped"
            }
        };
        telemetry::periodic_task_ended(name, result);
        outcome.is_some()
    }
}

/// Waits for a shutdown. A dropped worker is never shut down.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending().await
    }
}

/// Formats an error and its sources.
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
