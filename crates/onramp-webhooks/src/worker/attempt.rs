//! One call of the handler, with everything that can come of it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Instant;

use tracing::Instrument;

use super::WorkerBuilder;
use crate::delivery::Delivery;
use crate::handler::{HandlerError, HandlerErrorKind};
use crate::inbox::{ClaimedDelivery, Settled};
use crate::telemetry;

/// Longer errors are cut to this many characters: they are kept with the delivery, for people.
const LONGEST_NOTE: usize = 2_000;

/// Handles one delivery, and says what becomes of it. Never panics: a panic is a transient error, also one in the handler's error
/// or in what the handler leaves behind.
pub(super) async fn attempt(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> Settled {
    let number = claimed.attempt;
    match unwound(try_once(worker, claimed)).await {
        Ok(settled) => settled,
        Err(panic) => after(worker, number, &panicked(&*panic)),
    }
}

async fn try_once(worker: &WorkerBuilder, claimed: ClaimedDelivery) -> Settled {
    let (provider, id, attempt) = (claimed.provider, claimed.lease.id, claimed.attempt);
    let begun = Instant::now();
    let result = match Delivery::read(claimed) {
        Ok(delivery) => {
            let span = tracing::debug_span!("attempt", %id, attempt, "type" = delivery.event().type_label());
            call(worker, &delivery).instrument(span).await
        }
        Err(error) => Err(HandlerError::permanent(format!("this version cannot read the event: {error}"))),
    };
    let settled = match result {
        Ok(()) => Settled::Handled,
        Err(error) => after(worker, attempt, &error),
    };
    let word = match &settled {
        Settled::Handled => "handled",
        Settled::Retry { error, .. } => {
            tracing::warn!(%id, attempt, %provider, error, "failed; will be tried again");
            "retry"
        }
        Settled::Parked { reason, .. } => {
            tracing::info!(%id, %provider, reason, "parked");
            "parked"
        }
        Settled::Dead { error } => {
            tracing::error!(%id, attempt, %provider, error, "dead letter: will not be tried again by itself");
            "dead"
        }
        Settled::Released => "released",
    };
    telemetry::attempted(provider, word, begun.elapsed());
    settled
}

/// Calls the handler; a panic and a timeout are transient errors.
async fn call(worker: &WorkerBuilder, delivery: &Delivery) -> Result<(), HandlerError> {
    let handling = async { worker.handler.handle(delivery).await };
    match tokio::time::timeout(worker.attempt_timeout, unwound(handling)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(HandlerError::transient(format!("the handler took longer than {:?}", worker.attempt_timeout))),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    HandlerError::transient(format!("the handler panicked: {}", message(panic)))
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

/// A future that answers a panic instead of passing it on. The handler is not polled again after it, and shares nothing with this
/// crate that a panic could leave half-changed.
pub(crate) async fn unwound<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn cut(mut note: String) -> String {
    if let Some((end, _)) = note.char_indices().nth(LONGEST_NOTE) {
        note.truncate(end);
        note.push('…');
    }
    note
}
