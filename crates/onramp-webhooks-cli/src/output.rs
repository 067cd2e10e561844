//! The report on standard output.

use std::io::{self, Write};

use onramp_webhooks_client::wert::Checkpoint;
use serde_json::json;

use crate::exit::CliError;
use crate::time_arg::format_time;

/// Writes the findings and the summary as text or as one JSON object.
pub(crate) fn write(checkpoint: &Checkpoint, as_json: bool) -> Result<(), CliError> {
    let text = if as_json { json(checkpoint) } else { text(checkpoint) };
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // A reader such as `head` may close the pipe early.
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::with_source("writing the report", &error)),
        _ => Ok(()),
    }
}

fn json(checkpoint: &Checkpoint) -> String {
    let object = json!({
        "endpoint": checkpoint.endpoint,
        "since": format_time(checkpoint.window.since),
        "until": format_time(checkpoint.window.until),
        "repair": checkpoint.repair,
        "resolved": checkpoint.summary.is_resolved(),
        "summary": checkpoint.summary,
    });
    format!("{object}\n")
}

fn text(checkpoint: &Checkpoint) -> String {
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
        format_time(window.since),
        format_time(window.until),
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
