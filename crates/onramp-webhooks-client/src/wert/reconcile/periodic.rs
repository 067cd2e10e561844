//! The reconciliation as a periodic task: goes on where the last run of any process ended.

use std::time::Duration;

use onramp_webhooks::clock::Timestamp;

use super::progress::Progress;
use super::{Finding, ReconcileError, Reconciler, Step, Window};

/// Number of orders to look up again that are stored. Beyond it, the orders that follow are walked again at the next run.
const MAX_UNFINISHED: usize = 2_000;

/// Number of orders that are looked up again in one step.
const STEP: usize = 100;

/// Time for which orders are walked again, because Wert's clock may be slow, and it may list an order later than it was created.
const LISTED_LATE: Duration = Duration::from_secs(3_600);

/// Maximum time between two saves.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Reconciles everything that came since the last run, and looks again at what was unfinished then. Returns at once if another process
/// does it at the moment.
pub(super) async fn run(reconciler: &Reconciler) -> Result<(), ReconcileError> {
    let beginning = reconciler.beginning().await.map_err(ReconcileError::Inbox)?;
    let now = reconciler.clock.now();
    let mut progress = Progress::load(reconciler).await.map_err(ReconcileError::Inbox)?;
    if progress.is_held(now) {
        tracing::debug!(endpoint = %reconciler.endpoint, "another process reconciles with Wert");
        return Ok(());
    }
    progress.hold(now);
    let mut turn = Turn { reconciler, progress, saved_at: now, is_lost: false, is_full: false };
    if !turn.save().await? {
        return Ok(());
    }
    let result = turn.run(beginning, now).await;
    turn.progress.give_up();
    if !turn.is_lost {
        turn.save().await?;
    }
    result
}

/// The run of the process that holds the reconciliation.
struct Turn<'a> {
    reconciler: &'a Reconciler,
    progress: Progress,
    saved_at: Timestamp,
    /// Set if another process has taken over.
    is_lost: bool,
    /// Set if more orders are unfinished than are stored.
    is_full: bool,
}

impl Turn<'_> {
    async fn run(&mut self, beginning: Timestamp, now: Timestamp) -> Result<(), ReconcileError> {
        let oldest = now.before(self.reconciler.look_back);
        self.progress.forget_unfinished(oldest);
        let since = self.progress.orders_until().unwrap_or(oldest.max(beginning));
        let mut run = self.reconciler.start(Window::new(since, now), true);
        run.only_deliveries_after(self.progress.deliveries_until());
        let unfinished = self.progress.unfinished_before(since);
        for orders in unfinished.chunks(STEP) {
            if self.is_lost {
                return Ok(());
            }
            let step = run.look_again(orders).await?;
            self.note(&step);
            self.save_in_time().await?;
        }
        while !self.is_lost
            && let Some(step) = run.step().await?
        {
            self.note(&step);
            if let Some(reached) = step.orders_until.filter(|_| !self.is_full) {
                self.progress.set_orders_until(reached.min(run.checkpoint().window.until.before(LISTED_LATE)));
            }
            self.save_in_time().await?;
        }
        if self.is_lost {
            return Ok(());
        }
        if let Some(until) = run.deliveries_until() {
            self.progress.set_deliveries_until(until);
        }
        let summary = run.summary();
        tracing::info!(
            endpoint = %self.reconciler.endpoint,
            orders = summary.orders,
            repaired = summary.repaired,
            unfinished = self.progress.unfinished_orders(),
            "reconciled with Wert"
        );
        Ok(())
    }

    /// Logs the findings of a step, and notes what is unfinished.
    fn note(&mut self, step: &Step) {
        log(&self.reconciler.endpoint, &step.findings);
        step.finished.iter().for_each(|order| self.progress.remove_unfinished(order));
        for (order, created_at) in &step.unfinished {
            self.is_full |= self.progress.unfinished_orders() >= MAX_UNFINISHED;
            if !self.is_full {
                self.progress.add_unfinished(order, *created_at);
            }
        }
    }

    async fn save_in_time(&mut self) -> Result<(), ReconcileError> {
        let now = self.reconciler.clock.now();
        if now < self.saved_at || now.since(self.saved_at) >= SAVE_EVERY {
            self.progress.hold(now);
            self.saved_at = now;
            self.save().await?;
        }
        Ok(())
    }

    /// Stores the progress. Returns `false` if another process has taken over.
    async fn save(&mut self) -> Result<bool, ReconcileError> {
        let is_saved = self.progress.save(self.reconciler).await.map_err(ReconcileError::Inbox)?;
        self.is_lost |= !is_saved;
        Ok(is_saved)
    }
}

/// Logs findings as warnings.
pub(super) fn log(endpoint: &str, findings: &[Finding]) {
    for finding in findings {
        tracing::warn!(endpoint, %finding, "the inbox and Wert differ");
    }
}
