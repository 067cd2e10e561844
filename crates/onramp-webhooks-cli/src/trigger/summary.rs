//! The summary of a run.

use std::time::Duration;

use onramp_webhooks::provider::Facts;
use serde_json::{Map, Value, json};

use super::send::Sent;
use super::tally::Tally;
use crate::exit::{CliError, ExitStatus};
use crate::inbox::paid;
use crate::output::{BOLD, Output, RED};
use crate::text::Line;

/// The facts of a run that its results are compared with.
pub(crate) struct Run {
    pub(crate) facts: Facts,
    pub(crate) is_forged: bool,
    /// The number of requests to send.
    pub(crate) planned: u64,
    pub(crate) took: Duration,
    pub(crate) seed: u64,
}

impl Run {
    /// Writes the summary, and returns the exit code.
    pub(crate) fn summarize(&self, sent: &mut Sent, output: &Output) -> Result<ExitStatus, CliError> {
        if let Some(error) = sent.tally.output_error() {
            return Err(error);
        }
        if output.json {
            output.object(&self.json(sent))?;
        } else {
            self.text(&sent.tally, output)?;
        }
        Ok(match sent {
            Sent { is_interrupted: true, .. } => ExitStatus::Interrupted,
            Sent { tally, .. } if tally.right == tally.sent => ExitStatus::Success,
            Sent { .. } => ExitStatus::Findings,
        })
    }

    /// Returns the word for a right reply.
    const fn right(&self) -> &'static str {
        if self.is_forged { "refused" } else { "acknowledged" }
    }

    fn text(&self, tally: &Tally, output: &Output) -> Result<(), CliError> {
        let latencies = &tally.latencies;
        let mut line = Line::new()
            .text(format_args!("{} of {} sent, {} {}", tally.sent, self.planned, tally.right, self.right()))
            .text(format_args!("; p50 {}, p99 {}", short(latencies.percentile(50)), short(latencies.percentile(99))))
            .text(format_args!(", max {} (limit {})", short(latencies.longest()), short(self.facts.answer_within)));
        let known = &tally.known;
        if known.purchases > 0 {
            let noun = if known.purchases == 1 { "purchase" } else { "purchases" };
            line = line.text(format_args!("; {} completed {noun}", known.purchases));
            line = known.money().fold(line, |line, sum| line.text(format_args!(", {sum}")));
        }
        output.line(&line)?;
        for (_, number, first) in tally.failures() {
            let line = Line::new().styled(RED, format_args!("✗ {number} not {}", self.right()));
            output.line(&line.text(format_args!(": {first}")))?;
            if let Some(next) = first.next_step().filter(|_| !self.is_forged) {
                output.note(&Line::new().text("  → ").styled(BOLD, next));
            }
        }
        Ok(())
    }

    fn json(&self, sent: &Sent) -> Value {
        let tally = &sent.tally;
        let millis = |latency: Duration| latency.as_micros() as f64 / 1_000.0;
        let failures: Map<String, Value> = tally.failures().map(|(name, number, _)| (name.to_owned(), number.into())).collect();
        json!({
            "object": "trigger",
            "planned": self.planned,
            "sent": tally.sent,
            "acknowledged": if self.is_forged { 0 } else { tally.right },
            "refused": if self.is_forged { tally.right } else { 0 },
            "failures": failures,
            "latency_ms": {
                "p50": millis(tally.latencies.percentile(50)),
                "p99": millis(tally.latencies.percentile(99)),
                "max": millis(tally.latencies.longest()),
                "limit": millis(self.facts.answer_within),
            },
            "completed_purchases": tally.known.purchases,
            "paid": paid(&tally.known),
            "seconds": self.took.as_secs_f64(),
            "seed": self.seed.to_string(),
            "interrupted": sent.is_interrupted,
        })
    }
}

/// Formats a latency with the unit that suits it.
fn short(latency: Duration) -> String {
    match latency.as_millis() {
        0 => format!("{:.1} ms", latency.as_secs_f64() * 1_000.0),
        millis @ 1..1_000 => format!("{millis} ms"),
        _ => format!("{} s", (latency.as_secs_f64() * 10.0).round() / 10.0),
    }
}
