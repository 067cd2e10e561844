//! One call of the handler, with everything that can come of it.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::WorkerBuilder;
use super::handling::{Called, HANDLER, Means, panicked};
use crate::delivery::Delivery;
use crate::handler::{HandlerError, HandlerErrorKind};
use crate::inbox::{ClaimedDelivery, Settled};
use crate::store_error::StoreError;
use crate::telemetry;
use crate::unwinding::unwound;

/// Longer errors are cut to this many characters: they are kept with the delivery, for people.
const LONGEST_NOTE: usize = 2_000;

/// Pause before a delivery whose transaction could not be opened is tried again.
const UNTIL_IT_BEGINS: Duration = Duration::from_secs(1);

/// How an attempt ended.
pub(super) enum End {
    /// To be written.
    Settle(Settled),
    /// Handled, and written already.
    Committed,
    /// Another worker had taken over.
    Lost,
}

/// Handles one delivery, and says what becomes of it. Never panics: a panic is a transient error, also one in the handler's error
/// or in what the handler leaves behind.
pub(super) async fn attempt(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> End {
    let number = claimed.attempt;
    match unwound(try_once(worker, claimed)).await {
        Ok(end) => end,
        Err(panic) => End::Settle(after(worker, number, &panicked(HANDLER, &*panic))),
    }
}

async fn try_once(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> End {
    let (provider, lease, attempt) = (claimed.provider, claimed.lease, claimed.attempt);
    let mut begun = None;
    let called = match Delivery::read(claimed) {
        Ok(delivery) => {
            let span = tracing::debug_span!("attempt", id = %lease.id, attempt, "type" = delivery.event().type_label());
            let means = Means { clock: &*worker.clock, timeout: worker.attempt_timeout };
            let calling = async {
                if let Err(stopped) = worker.checks.pass(means, &delivery).await {
                    return Called::Stopped(stopped);
                }
                begun = Some(Instant::now());
                worker.handling.call(means, &delivery, lease).await
            };
            calling.instrument(span).await
        }
        Err(error) => Called::Returned(Err(HandlerError::permanent(format!("this version cannot read the event: {error}")))),
    };
    let by = if matches!(called, Called::Stopped(_)) { "check" } else { "handler" };
    let end = match called {
        Called::Returned(Ok(())) => End::Settle(Settled::Handled),
        Called::Returned(Err(error)) | Called::Stopped(error) => End::Settle(after(worker, attempt, &error)),
        Called::NeverBegan(error) => End::Settle(never_began(worker, &error)),
        Called::Committed => End::Committed,
        Called::Lost => End::Lost,
    };
    let id = lease.id;
    let word = match &end {
        End::Settle(Settled::Handled) | End::Committed => "handled",
        End::Settle(Settled::Retry { error, .. }) => {
            tracing::warn!(%id, attempt, %provider, by, error, "failed; will be tried again");
            "retry"
        }
        End::Settle(Settled::Parked { reason, .. }) => {
            tracing::info!(%id, %provider, by, reason, "parked");
            "parked"
        }
        End::Settle(Settled::Dead { error }) => {
            tracing::error!(%id, attempt, %provider, by, error, "dead letter: will not be tried again by itself");
            "dead"
        }
        End::Settle(Settled::Released) => "released",
        End::Lost => "lost",
    };
    telemetry::attempted(provider, word, begun.map(|begun| begun.elapsed()));
    end
}

fn after(worker: &WorkerBuilder, attempt: u32, error: &HandlerError) -> Settled {
    let now = worker.clock.now();
    let note = cut(error.to_string());
    match error.kind {
        HandlerErrorKind::Permanent => Settled::Dead { error: note },
        HandlerErrorKind::NotYet(pause) => Settled::Parked { until: now.after(pause), reason: note },
        HandlerErrorKind::Transient => match worker.retry.pause(attempt, fastrand::f64()) {
            Some(pause) => Settled::Retry { at: now.after(pause), error: note },
            None => Settled::Dead { error: note },
        },
    }
}

fn never_began(worker: &WorkerBuilder, error: &StoreError) -> Settled {
    let reason = cut(format!("no transaction could be opened for the handler: {error}"));
    Settled::Parked { until: worker.clock.now().after(UNTIL_IT_BEGINS), reason }
}

fn cut(mut note: String) -> String {
    if let Some((end, _)) = note.char_indices().nth(LONGEST_NOTE) {
        note.truncate(end);
        note.push('…');
    }
    note
}
