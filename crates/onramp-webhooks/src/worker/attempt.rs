//! One attempt to handle a delivery.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::handling::{HANDLER, panicked};
use super::{Delivery, HandlerError, HandlerErrorKind, WorkerBuilder};
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;
use crate::inbox::{ClaimedDelivery, DeadCause, Lease, Settled};
use crate::panics::caught;
use crate::provider::ReadError;
use crate::telemetry;

/// Maximum length of a delivery's note, in characters. Longer errors are cut.
const LONGEST_NOTE: usize = 2_000;

/// Pause before a delivery whose transaction could not be opened is tried again.
const UNTIL_A_TRANSACTION_OPENS: Duration = Duration::from_secs(1);

/// Pause before a delivery whose provider this worker does not know is tried again.
const UNTIL_THE_PROVIDER_IS_KNOWN: Duration = Duration::from_secs(600);

/// Minimum pause of a parked delivery. A shorter one would ask in a tight loop.
const SHORTEST_PARK: Duration = Duration::from_secs(1);

/// The end of an attempt.
pub(super) enum AttemptEnd {
    /// The outcome has to be settled.
    Settle(Settled),
    /// Handled, and settled in the handler's transaction.
    Committed,
    /// The lease was lost: another worker has taken over.
    Lost,
}

/// The settings of an attempt.
#[derive(Clone, Copy)]
pub(super) struct AttemptContext<'a> {
    worker: &'a WorkerBuilder,
    attempt: u32,
    received_at: Timestamp,
}

impl AttemptContext<'_> {
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.worker.clock
    }

    /// Returns the time limit of the handler, and of the checks before it.
    pub(super) const fn timeout(&self) -> Duration {
        self.worker.attempt_timeout
    }

    /// Returns the end of the attempt for the result of the handler.
    pub(super) fn settle(&self, result: Result<(), HandlerError>) -> AttemptEnd {
        match result {
            Ok(()) => AttemptEnd::Settle(Settled::Handled),
            Err(error) => self.fail(&error, DeadCause::RefusedByHandler),
        }
    }

    /// Returns the end of the attempt after an error. `refused` is the cause if the error is permanent.
    pub(super) fn fail(&self, error: &HandlerError, refused: DeadCause) -> AttemptEnd {
        let (now, note) = (self.worker.clock.now(), cut(error.to_string()));
        AttemptEnd::Settle(match error.kind() {
            HandlerErrorKind::Permanent => Settled::Dead { cause: refused, error: note },
            HandlerErrorKind::NotYet(pause) => self.parked(now.after(pause.max(SHORTEST_PARK)), note),
            HandlerErrorKind::Transient => match self.worker.retry.pause(self.attempt, fastrand::f64()) {
                Some(pause) => Settled::Retry { at: now.after(pause), error: note },
                None => Settled::Dead { cause: DeadCause::AttemptsUsedUp, error: note },
            },
        })
    }

    fn parked(&self, until: Timestamp, reason: String) -> Settled {
        let longest = self.worker.longest_park;
        if until <= self.received_at.after(longest) {
            return Settled::Parked { until, reason };
        }
        let error = cut(format!("not ready {} hours after its arrival: {reason}", longest.as_secs() / 3_600));
        Settled::Dead { cause: DeadCause::AttemptsUsedUp, error }
    }

    /// Parks a delivery whose transaction could not be opened.
    pub(super) fn no_transaction(&self, error: &StoreError) -> AttemptEnd {
        self.park(UNTIL_A_TRANSACTION_OPENS, format!("no transaction could be opened for the handler: {error}"))
    }

    fn unreadable(&self, error: &ReadError) -> AttemptEnd {
        match error {
            ReadError::UnknownProvider(_) => self.park(UNTIL_THE_PROVIDER_IS_KNOWN, error.to_string()),
            ReadError::Unreadable(_) => {
                let error = HandlerError::permanent(format!("this version cannot read the event: {error}"));
                self.fail(&error, DeadCause::Unreadable)
            }
        }
    }

    fn park(&self, pause: Duration, reason: String) -> AttemptEnd {
        AttemptEnd::Settle(Settled::Parked { until: self.worker.clock.now().after(pause), reason: cut(reason) })
    }
}

/// Handles one delivery. Never panics: a panic of the handler, also one while its error is formatted or its values are dropped,
/// becomes a transient error.
pub(super) async fn attempt(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> AttemptEnd {
    let context = AttemptContext { worker, attempt: claimed.attempt, received_at: claimed.received_at };
    match caught(run(context, claimed)).await {
        Ok(end) => end,
        Err(panic) => context.settle(Err(panicked(HANDLER, &*panic))),
    }
}

async fn run(context: AttemptContext<'_>, claimed: ClaimedDelivery) -> AttemptEnd {
    let (provider, lease) = (claimed.provider.clone(), claimed.lease);
    let ended = match Delivery::read(claimed, &context.worker.providers) {
        Ok(delivery) => {
            let label = delivery.event().type_label();
            let span = tracing::warn_span!("attempt", id = %lease.id, attempt = context.attempt, "type" = label);
            check_and_handle(context, &delivery, lease).instrument(span).await
        }
        Err(error) => Ended { end: context.unreadable(&error), by: "worker", took: None },
    };
    let result = ended.log(lease, context.attempt, provider.as_str());
    telemetry::attempted(provider.as_str(), result, ended.took);
    ended.end
}

async fn check_and_handle(context: AttemptContext<'_>, delivery: &Delivery, lease: Lease) -> Ended {
    if let Err(error) = context.worker.checks.pass(context, delivery).await {
        return Ended { end: context.fail(&error, DeadCause::RefusedByCheck), by: "check", took: None };
    }
    let begun = Instant::now();
    let end = context.worker.handling.call(context, delivery, lease).await;
    Ended { end, by: "handler", took: Some(begun.elapsed()) }
}

/// The end of an attempt, with the part of the worker that determined it and the duration of the handler.
struct Ended {
    end: AttemptEnd,
    by: &'static str,
    took: Option<Duration>,
}

impl Ended {
    /// Logs the end and returns its label in metrics.
    fn log(&self, lease: Lease, attempt: u32, provider: &str) -> &'static str {
        let (id, by, took) = (lease.id, self.by, self.took.map(tracing::field::debug));
        match &self.end {
            AttemptEnd::Settle(Settled::Handled) | AttemptEnd::Committed => {
                tracing::debug!(%id, attempt, provider, "handled");
                "handled"
            }
            AttemptEnd::Settle(Settled::Retry { error, .. }) => {
                tracing::warn!(%id, attempt, provider, by, took, error, "failed; will be retried");
                "retry"
            }
            AttemptEnd::Settle(Settled::Parked { reason, .. }) => {
                tracing::info!(%id, provider, by, reason, "parked");
                "parked"
            }
            AttemptEnd::Settle(Settled::Dead { cause, error }) => {
                tracing::error!(%id, attempt, provider, by, took, %cause, error, "dead letter: will not be retried");
                "dead"
            }
            AttemptEnd::Settle(Settled::Released) => "released",
            AttemptEnd::Lost => "lost",
        }
    }
}

fn cut(mut note: String) -> String {
    if let Some((end, _)) = note.char_indices().nth(LONGEST_NOTE) {
        note.truncate(end);
        note.push('…');
    }
    note
}
