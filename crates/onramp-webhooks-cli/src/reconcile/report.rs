//! The report of a reconciliation.

use jiff::tz::TimeZone;
use onramp_webhooks_client::wert::Checkpoint;
use serde_json::{Value, json};

use crate::exit::CliError;
use crate::output::Output;
use crate::time::{date_and_time, rfc3339};

/// Writes the findings and the summary as text or as one JSON object.
pub(crate) fn write(checkpoint: &Checkpoint, output: &Output) -> Result<(), CliError> {
    if output.json { output.object(&json(checkpoint)) } else { output.lines(&text(checkpoint, &output.zone)) }
}

fn json(checkpoint: &Checkpoint) -> Value {
    json!({
        "object": "reconciliation",
        "endpoint": checkpoint.endpoint,
        "since": rfc3339(checkpoint.window.since),
        "until": rfc3339(checkpoint.window.until),
        "repair": checkpoint.repair,
        "resolved": checkpoint.summary.is_resolved(),
        "summary": checkpoint.summary,
    })
}

fn text(checkpoint: &Checkpoint, zone: &TimeZone) -> String {
    let (window, summary) = (checkpoint.window, &checkpoint.summary);
    let mut text = String::new();
    for finding in &summary.findings {
        text.push_str(&format!("{finding}\n"));
    }
    let found = summary.open() + summary.repaired;
    let listed = u64::try_from(summary.findings.len()).unwrap_or(u64::MAX);
    if found > listed {
        text.push_str(&format!("and {} more\n", found - listed));
    }
    text.push_str(&format!(
        "{} orders at Wert and {} deliveries at {:?}, from {} to {}: {} missing, {} of them repaired; {} not handled, {} with \
         other values, {} with another status, {} unclear, {} unknown to Wert; {} skipped as too recent\n",
        summary.orders,
        summary.deliveries,
        checkpoint.endpoint,
        date_and_time(window.since, zone),
        date_and_time(window.until, zone),
        summary.missing,
        summary.repaired,
        summary.not_handled,
        summary.differs,
        summary.status_differs,
        summary.unclear,
        summary.unknown_to_provider,
        summary.too_recent,
    ));
    text
}
