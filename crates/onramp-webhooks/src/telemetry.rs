//! Metrics. All names are defined here; the README of the crate lists them.
//!
//! Labels never contain text from a request: undocumented event types count as `unknown`.

use std::sync::Arc;
use std::time::Duration;

/// Counts a request. `endpoint` and `provider` are empty if the request matched no endpoint.
pub(crate) fn received(endpoint: &Arc<str>, provider: &'static str, label: &'static str, outcome: &'static str, status: u16) {
    metrics::counter!(
        "onramp_webhooks_received_total",
        "endpoint" => Arc::clone(endpoint),
        "provider" => provider,
        "type" => label,
        "outcome" => outcome,
    )
    .increment(1);
    if !(200..300).contains(&status) {
        let status = status.to_string();
        metrics::counter!("onramp_webhooks_non_2xx_total", "endpoint" => Arc::clone(endpoint), "status" => status).increment(1);
    }
}

/// Counts a purchase that was recorded in quarantine.
pub(crate) fn quarantined_purchase(endpoint: &Arc<str>) {
    metrics::counter!("onramp_webhooks_quarantined_purchases_total", "endpoint" => Arc::clone(endpoint)).increment(1);
}

/// Records the time from the head of an admitted request to its reply.
pub(crate) fn answered(endpoint: &Arc<str>, took: Duration) {
    metrics::histogram!("onramp_webhooks_ack_seconds", "endpoint" => Arc::clone(endpoint)).record(took);
}

/// Counts the result of the checks before a handler.
pub(crate) fn checked(provider: &str, result: &'static str) {
    metrics::counter!("onramp_webhooks_checks_total", "provider" => provider.to_owned(), "result" => result).increment(1);
}

/// Counts a purchase that was refused because it was not started here.
pub(crate) fn untrusted(reason: &'static str) {
    metrics::counter!("onramp_webhooks_untrusted_purchases_total", "reason" => reason).increment(1);
}

/// Publishes the status of an endpoint.
pub(crate) fn watched(endpoint: &Arc<str>, may_be_disabled: bool, silent_for: Option<Duration>) {
    metrics::gauge!("onramp_webhooks_may_be_disabled", "endpoint" => Arc::clone(endpoint))
        .set(f64::from(u8::from(may_be_disabled)));
    if let Some(silent) = silent_for {
        metrics::gauge!("onramp_webhooks_silence_seconds", "endpoint" => Arc::clone(endpoint)).set(silent.as_secs_f64());
    }
}

/// Counts the end of an attempt, and records the duration of the handler if it was called.
pub(crate) fn attempted(provider: &str, result: &'static str, took: Option<Duration>) {
    metrics::counter!("onramp_webhooks_attempts_total", "provider" => provider.to_owned(), "result" => result).increment(1);
    if let Some(took) = took {
        metrics::histogram!("onramp_webhooks_handler_seconds", "provider" => provider.to_owned()).record(took);
    }
    if result == "dead" {
        metrics::counter!("onramp_webhooks_dead_letters_total", "provider" => provider.to_owned()).increment(1);
    }
}

/// Counts leases that another worker had taken over.
pub(crate) fn leases_lost(lost: usize) {
    metrics::counter!("onramp_webhooks_leases_lost_total").increment(lost as u64);
}

/// Counts the end of one run of a periodic task.
pub(crate) fn periodic_task_ended(name: &str, result: &'static str) {
    metrics::counter!("onramp_webhooks_periodic_tasks_total", "task" => name.to_owned(), "result" => result).increment(1);
}

/// Publishes the number of workers in each state.
pub(crate) fn workers(running: usize, silent: usize, died: usize) {
    for (state, workers) in [("running", running), ("silent", silent), ("died", died)] {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX);
        metrics::gauge!("onramp_webhooks_workers", "state" => state).set(f64::from(workers));
    }
}

/// Publishes the age of the oldest due delivery.
pub(crate) fn backlog_age(age: Duration) {
    metrics::gauge!("onramp_webhooks_backlog_age_seconds").set(age.as_secs_f64());
}

/// Counts a request at an allow-list in front of a route.
pub(crate) fn judged(allowed: bool) {
    // Labels that are literals need no allocation.
    let counter = match allowed {
        true => metrics::counter!("onramp_webhooks_allow_list_total", "outcome" => "allowed"),
        false => metrics::counter!("onramp_webhooks_allow_list_total", "outcome" => "denied"),
    };
    counter.increment(1);
}

/// Counts a request at the idempotency middleware.
pub(crate) fn idempotent(outcome: &'static str) {
    // Labels that are literals need no allocation.
    let counter = match outcome {
        "first" => metrics::counter!("onramp_webhooks_idempotency_total", "outcome" => "first"),
        "replayed" => metrics::counter!("onramp_webhooks_idempotency_total", "outcome" => "replayed"),
        _ => metrics::counter!("onramp_webhooks_idempotency_total", "outcome" => outcome),
    };
    counter.increment(1);
}

/// Publishes whether the inbox passed its check.
pub(crate) fn checked_inbox(is_healthy: bool) {
    metrics::gauge!("onramp_webhooks_healthy").set(f64::from(u8::from(is_healthy)));
}

/// Counts a delivery that was recorded in the spill.
pub(crate) fn spilled() {
    metrics::counter!("onramp_webhooks_spilled_total").increment(1);
}

/// Publishes whether deliveries go to the spill.
pub(crate) fn spill_open(open: bool) {
    metrics::gauge!("onramp_webhooks_spill_open").set(f64::from(u8::from(open)));
}

/// Publishes the number of deliveries in the spill, and the age of the oldest.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact far beyond the capacity of a disk")]
pub(crate) fn spill_waiting(waiting: u64, oldest: Duration) {
    metrics::gauge!("onramp_webhooks_spill_waiting").set(waiting as f64);
    metrics::gauge!("onramp_webhooks_spill_age_seconds").set(oldest.as_secs_f64());
}

/// Counts a delivery that moved from the spill to the primary inbox.
pub(crate) fn moved(outcome: &'static str) {
    metrics::counter!("onramp_webhooks_spill_moved_total", "outcome" => outcome).increment(1);
}
