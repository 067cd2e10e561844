//! What was found, on standard output.

use std::io::{self, Write};

use onramp_webhooks_client::wert::Checkpoint;
use serde_json::json;

use crate::moment::shown;
use crate::outcome::Failure;

/// Writes what was found as text, or as one JSON object.
pub(crate) fn write(checkpoint: &Checkpoint, as_json: bool) -> Result<(), Failure> {
    let text = if as_json { json(checkpoint) } else { text(checkpoint) };
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    // Whoever reads may have read enough.
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::because("writing what was found", &error)),
        _ => Ok(()),
    }
}

fn json(checkpoint: &Checkpoint) -> String {
    let object = json!({
        "endpoint": checkpoint.endpoint,
        "since": shown(checkpoint.window.since),
        "until": shown(checkpoint.window.until),
        "repair": checkpoint.repair,
        "settled": checkpoint.summary.is_settled(),
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
    let found = summary.missing + summary.status_differs + summary.unclear + summary.unknown_to_provider;
    let listed = u64::try_from(summary.findings.len()).unwrap_or(u64::MAX);
    if found > listed {
        text.push_str(&format!("and {} more\n", found - listed));
    }
    text.push_str(&format!(
        "{} orders at Wert and {} deliveries at {:?}, from {} to {}: {} missing, {} of them repaired; {} with another status, {} \
         unclear, {} unknown to Wert; {} too young to tell\n",
        summary.orders,
        summary.deliveries,
        checkpoint.endpoint,
        shown(window.since),
        shown(window.until),
        summary.missing,
        summary.repaired,
        summary.status_differs,
        summary.unclear,
        summary.unknown_to_provider,
        summary.too_young,
    ));
    text
}
