//! One attempt to handle a delivery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::handling::{HANDLER, panicked};
use super::{Delivery, HandlerError, HandlerErrorKind, WorkerBuilder};
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;
use crate::inbox::{ClaimedDelivery, DeadCause, Lease, SUSPECT_AFTER, Settled};
use crate::panics::caught;
use crate::provider::{ProviderName, ReadError};
use crate::telemetry;
use crate::traffic::Meter;

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

impl AttemptEnd {
    fn killed(lost_claims: u32) -> Self {
        let error = format!("the process ended {lost_claims} times while it was handled");
        Self::Settle(Settled::Dead { cause: DeadCause::ProcessKilled, error })
    }
}

impl<'a> AttemptContext<'a> {
    const fn of(worker: &'a WorkerBuilder, claimed: &ClaimedDelivery) -> Self {
        Self { worker, attempt: claimed.attempt, received_at: claimed.received_at }
    }

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

/// The end of the checks before an attempt.
pub(super) enum Checked {
    /// The handler may be called.
    Passed(Box<Delivery>),
    /// The attempt is over.
    Ended(AttemptEnd),
}

/// Reads a delivery and runs the checks before the handler. Never panics: a panic of a provider's reader or of a check, also one while its
/// error is formatted, becomes a transient error.
pub(super) async fn check(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> Checked {
    let context = AttemptContext::of(worker, &claimed);
    let (provider, lease) = (claimed.provider.clone(), claimed.lease);
    let endpoint = Arc::clone(&claimed.endpoint);
    let ended = match caught(read_and_check(context, claimed)).await {
        Ok(Ok(delivery)) => return Checked::Passed(delivery),
        Ok(Err(ended)) => ended,
        Err(panic) => Ended::before(context.settle(Err(panicked("reading or checking the event", &*panic))), "check"),
    };
    Checked::Ended(ended.told(lease, context.attempt, &provider, &worker.meters.of(&endpoint)))
}

async fn read_and_check(context: AttemptContext<'_>, claimed: ClaimedDelivery) -> Result<Box<Delivery>, Ended> {
    if claimed.lost_claims > SUSPECT_AFTER {
        return Err(Ended::before(AttemptEnd::killed(claimed.lost_claims), "worker"));
    }
    let delivery = Delivery::read(claimed, &context.worker.providers)
        .map_err(|error| Ended::before(context.unreadable(&error), "worker"))?
        .paid_in(&context.worker.fiat_currencies);
    let checked = context.worker.checks.pass(context, &delivery).instrument(span(&delivery)).await;
    let refused = |error| Ended::before(context.fail(&error, DeadCause::RefusedByCheck), "check").about(&delivery);
    checked.map_err(refused)?;
    Ok(Box::new(delivery))
}

/// Calls the handler for a delivery. Never panics: a panic of the handler, also one while its error is formatted or its values are
/// dropped, becomes a transient error.
pub(super) async fn attempt(worker: &WorkerBuilder, lease: Lease, delivery: &Delivery) -> AttemptEnd {
    let context = AttemptContext { worker, attempt: delivery.attempt(), received_at: delivery.received_at() };
    let begun = Instant::now();
    let handling = worker.handling.call(context, delivery, lease).instrument(span(delivery));
    let end = match caught(handling).await {
        Ok(end) => end,
        Err(panic) => context.settle(Err(panicked(HANDLER, &*panic))),
    };
    let ended = Ended { took: Some(begun.elapsed()), ..Ended::before(end, "handler").about(delivery) };
    ended.told(lease, context.attempt, delivery.provider(), &worker.meters.of(delivery.endpoint()))
}

fn span(delivery: &Delivery) -> tracing::Span {
    let (id, attempt, label) = (delivery.id(), delivery.attempt(), delivery.event().type_label());
    tracing::warn_span!("attempt", %id, attempt, "type" = label, sandbox = delivery.is_sandbox().then_some(true))
}

/// The end of an attempt, with the part of the worker that determined it, and the duration of the handler if it was called.
struct Ended {
    end: AttemptEnd,
    by: &'static str,
    took: Option<Duration>,
    /// Set to `true` for deliveries of a sandbox.
    sandbox: Option<bool>,
}

impl Ended {
    /// The end of an attempt before its handler was called.
    const fn before(end: AttemptEnd, by: &'static str) -> Self {
        Self { end, by, took: None, sandbox: None }
    }

    fn about(self, delivery: &Delivery) -> Self {
        Self { sandbox: delivery.is_sandbox().then_some(true), ..self }
    }

    /// Logs and counts the end, and returns it.
    fn told(self, lease: Lease, attempt: u32, provider: &ProviderName, meter: &Meter) -> AttemptEnd {
        let result = self.log(lease, attempt, provider.as_str());
        telemetry::attempted(provider.as_str(), result, self.took);
        meter.attempted(result, self.took);
        self.end
    }

    /// Logs the end and returns its label in metrics.
    fn log(&self, lease: Lease, attempt: u32, provider: &str) -> &'static str {
        let (id, by, took, sandbox) = (lease.id, self.by, self.took.map(tracing::field::debug), self.sandbox);
        match &self.end {
            AttemptEnd::Settle(Settled::Handled) | AttemptEnd::Committed => {
                tracing::debug!(%id, attempt, provider, sandbox, "handled");
                "handled"
            }
            AttemptEnd::Settle(Settled::Retry { error, .. }) => {
                tracing::warn!(%id, attempt, provider, by, took, sandbox, error, "failed; will be retried");
                "retry"
            }
            AttemptEnd::Settle(Settled::Parked { reason, .. }) => {
                tracing::info!(%id, provider, by, sandbox, reason, "parked");
                "parked"
            }
            AttemptEnd::Settle(Settled::Dead { cause, error }) => {
                tracing::error!(%id, attempt, provider, by, took, sandbox, %cause, error, "dead letter: will not be retried");
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
