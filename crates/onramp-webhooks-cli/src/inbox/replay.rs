//! The command `onramp-webhooks inbox replay`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{Record, ReplayScope, State};
use onramp_webhooks::provider::Providers;
use serde_json::json;
use tokio::task::JoinSet;

use super::change::{Change, Decision, type_the_id};
use super::outcome::{Outcome, Replaying};
use super::reading::{failed, not_found};
use super::selection::Selection;
use super::view::View;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::{GREEN, Output, RED};
use crate::text::Line;
use crate::time::parse_limit;
use crate::trigger::rate::{self, Turns};

/// Maximum number of deliveries whose results are awaited at the same time.
const AT_ONCE: u32 = 16;

const TEMPLATE: &str = "{pos} of {len}  {bar:30}";

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox replay --state dead --error 'insert into points: column' --max 14 --dry-run
  onramp-webhooks inbox replay --reason exhausted --since 2h --max 500 --rate 5/s --yes
  onramp-webhooks inbox replay 2 --yes --no-wait";

/// Have deliveries handled again: one first, and the others when it was handled, the oldest first.
///
/// Without a filter for states, dead letters are selected. Waits for the worker of the shop. Exit code 3 if a delivery failed again
/// or was refused.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Replay {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    change: Change,
    /// The number of deliveries that have to be handled, one after another, before the others are replayed
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    first: usize,
    /// The maximum number of deliveries in a time: 5/s, 30/m
    #[arg(long, value_name = "RATE", value_parser = rate::parse)]
    rate: Option<f64>,
    /// The number of failures in a row that end the replay; 0 for never
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    stop_after: u32,
    /// The time to wait until a worker has handled a delivery
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_limit)]
    wait: Duration,
    /// Do not wait for the worker: make the deliveries due, for a shop that is stopped
    #[arg(long, conflicts_with_all = ["wait", "first", "stop_after"])]
    no_wait: bool,
    /// Replay a conflict: the handler gets it as a second purchase of the same order. Takes one id, which has to be typed
    #[arg(long, conflicts_with = "yes")]
    even_conflicts: bool,
    /// Replay a handled delivery, or a dead letter whose result is unknown: the handler may run again. Takes one id, which has to be typed
    #[arg(long, conflicts_with_all = ["yes", "even_conflicts"])]
    even_handled: bool,
}

impl Replay {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if (self.even_conflicts || self.even_handled) && self.selection.ids.len() != 1 {
            return Err(CliError::Usage("--even-conflicts and --even-handled take exactly one id".to_owned()));
        }
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        let now = SystemClock::default().now();
        let chosen = self.selection.choose(&*inbox, &[State::Dead], now, &output.zone, |_| None).await?;
        if let Some((id, _)) = chosen.refused.first() {
            return Err(not_found(*id));
        }
        if self.even_handled && chosen.records.iter().any(|record| record.state == State::Conflict) {
            return Err(CliError::Usage("the delivery is a conflict, which --even-conflicts replays".to_owned()));
        }
        let providers = Providers::default();
        let view = View::new(&providers, globals);
        let decision = match chosen.records.first().filter(|_| self.even_conflicts || self.even_handled) {
            Some(record) if !self.change.is_dry() => type_the_id(record, &self.meaning(record), output).await?,
            _ => self.change.decide("replay", &chosen, &view, output).await?,
        };
        if let Decision::Stop(status) = decision {
            return Ok(status);
        }
        let replaying = Replaying { inbox: Arc::clone(&inbox), scope: self.scope(), wait: (!self.no_wait).then_some(self.wait) };
        let mut report = Report { inbox: &*inbox, view: &view, output, counts: Counts::default() };
        let is_interrupted = self.replay(chosen.records, &replaying, &mut report).await?;
        report.end(is_interrupted)
    }

    const fn scope(&self) -> ReplayScope {
        match (self.even_handled, self.even_conflicts) {
            (true, _) => ReplayScope::EvenHandled,
            (false, true) => ReplayScope::EvenConflicts,
            (false, false) => ReplayScope::Unhandled,
        }
    }

    /// Returns the consequence for money.
    fn meaning(&self, record: &Record) -> Line {
        let id = record.id;
        match self.even_handled {
            true => Line::new().text(format_args!(
                "Delivery {id} is {}, and its handler may have succeeded. The handler runs again: a shop that does not check the dedup key credits the purchase again.",
                record.state
            )),
            false => Line::new().text(format_args!(
                "Delivery {id} contradicts an earlier one of the same event. Its handler gets it under another key: if the first one was \
                 handled, the customer is credited for both. See onramp-webhooks inbox diff {id}."
            )),
        }
    }

    /// Replays the deliveries. Returns `true` if it was interrupted.
    async fn replay(&self, records: Vec<Record>, replaying: &Replaying, report: &mut Report<'_>) -> Result<bool, CliError> {
        let mut interrupts = Interrupts::listen()?;
        report.counts.left = records.len();
        let mut records = records.into_iter();
        let mut first = if self.no_wait { 0 } else { self.first };
        while first > 0
            && let Some(record) = records.next()
        {
            let outcome = tokio::select! {
                outcome = replaying.replay(&record) => outcome?,
                () = interrupts.next() => return Ok(report.interrupted(1)),
            };
            report.add(&record, &outcome, true).await?;
            if outcome.is_failure() {
                return Ok(false);
            }
            // One that was not replayed says nothing about the others.
            first -= usize::from(matches!(outcome, Outcome::Handled(_)));
        }
        self.others(records, replaying, report, &mut interrupts).await
    }

    /// Replays deliveries at the same time, until too many have failed in a row.
    async fn others(
        &self,
        mut records: impl Iterator<Item = Record>,
        replaying: &Replaying,
        report: &mut Report<'_>,
        interrupts: &mut Interrupts,
    ) -> Result<bool, CliError> {
        let at_once = if self.stop_after == 0 { AT_ONCE } else { self.stop_after.min(AT_ONCE) };
        let turns = Turns::new(self.rate);
        let bar = report.bar();
        let (mut running, mut in_a_row, mut is_stopped) = (JoinSet::new(), 0, false);
        loop {
            while !is_stopped && running.len() < usize::try_from(at_once).unwrap_or(1) {
                let Some(record) = records.next() else { break };
                tokio::select! {
                    () = turns.take() => {}
                    () = interrupts.next() => return Ok(report.interrupted(running.len())),
                }
                let replaying = replaying.clone();
                running.spawn(async move { (replaying.replay(&record).await, record) });
            }
            let ended = tokio::select! {
                ended = running.join_next() => ended,
                () = interrupts.next() => return Ok(report.interrupted(running.len())),
            };
            let Some(ended) = ended else { break };
            let (outcome, record) = ended.map_err(|error| CliError::with_source("replay", &error))?;
            let outcome = outcome?;
            in_a_row = if outcome.is_failure() { in_a_row + 1 } else { 0 };
            is_stopped = is_stopped || (self.stop_after > 0 && in_a_row >= self.stop_after);
            bar.inc(1);
            report.add(&record, &outcome, false).await?;
        }
        bar.finish_and_clear();
        Ok(false)
    }
}

/// The numbers of deliveries by their results.
#[derive(Debug, Default)]
struct Counts {
    handled: usize,
    due: usize,
    failed: usize,
    /// Changed by another operator or a worker, since they were selected.
    changed: usize,
    refused: usize,
    unknown: usize,
    leased: usize,
    not_taken: usize,
    left: usize,
}

/// The results that are written.
struct Report<'a> {
    inbox: &'a dyn Inbox,
    view: &'a View<'a>,
    output: &'a Output,
    counts: Counts,
}

impl Report<'_> {
    fn bar(&self) -> ProgressBar {
        let length = u64::try_from(self.counts.left).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), self.output.progress());
        ProgressStyle::with_template(TEMPLATE).map_or(bar.clone(), |style| bar.with_style(style))
    }

    /// Counts the deliveries whose results are not awaited any more.
    fn interrupted(&mut self, running: usize) -> bool {
        self.counts.left = self.counts.left.saturating_sub(running);
        self.counts.due += running;
        true
    }

    /// Counts a result, and writes it if it is to be seen.
    async fn add(&mut self, record: &Record, outcome: &Outcome, is_first: bool) -> Result<(), CliError> {
        let counts = &mut self.counts;
        counts.left = counts.left.saturating_sub(1);
        match outcome {
            Outcome::Handled(_) | Outcome::Duplicate(_) => counts.handled += 1,
            Outcome::Due => counts.due += 1,
            Outcome::Changed => counts.changed += 1,
            Outcome::Refused(_) => counts.refused += 1,
            Outcome::UnknownResult => counts.unknown += 1,
            Outcome::Leased => counts.leased += 1,
            Outcome::NotTaken => counts.not_taken += 1,
            _ => counts.failed += 1,
        }
        let now = if outcome.is_failure() { self.inbox.show(record.id).await.map_err(failed)? } else { None };
        let note = now.as_ref().and_then(|now| self.view.of(now).note());
        if self.output.json {
            return self.output.object(&json!({
                "object": "replay",
                "id": record.id.to_string(),
                "outcome": outcome.word(),
                "state": now.map(|now| now.state.as_str()),
                "reason": reason(outcome),
                "note": note,
            }));
        }
        if is_first || !matches!(outcome, Outcome::Handled(_) | Outcome::Due) {
            self.output.line(&line(record, outcome, note.as_deref()))?;
        }
        Ok(())
    }

    /// Writes the numbers, and returns the exit status.
    fn end(&self, is_interrupted: bool) -> Result<ExitStatus, CliError> {
        let Counts { handled, due, failed, changed, refused, unknown, leased, not_taken, left } = self.counts;
        let refused = changed + refused;
        let all = handled + due + failed + refused + unknown + leased + not_taken + left;
        if self.output.json {
            self.output.object(&json!({
                "object": "replay.summary", "selected": all, "handled": handled, "due": due, "failed": failed, "refused": refused,
                "unknown": unknown, "leased": leased, "not_taken": not_taken, "left": left,
            }))?;
        } else {
            let parts = [
                (due, "due"),
                (failed, "failed again"),
                (refused, "not replayed"),
                (unknown, "not replayed with an unknown result"),
                (leased, "being handled"),
                (not_taken, "waiting for a worker"),
                (left, "unchanged"),
            ];
            let parts = parts.into_iter().filter(|(number, _)| *number > 0);
            let others = parts.fold(String::new(), |text, (number, word)| format!("{text}, {number} {word}"));
            self.output.line(&Line::new().text(format_args!("{handled} of {all} handled{others}")))?;
        }
        self.counts.status(is_interrupted)
    }
}

impl Counts {
    /// Returns the exit status. What another operator has changed meanwhile is no finding.
    fn status(&self, is_interrupted: bool) -> Result<ExitStatus, CliError> {
        let Self { handled, due, failed, changed, refused, unknown, leased, not_taken, .. } = *self;
        match () {
            () if is_interrupted => Ok(ExitStatus::Interrupted),
            () if failed > 0 => Ok(ExitStatus::Findings),
            () if not_taken > 0 => {
                let error = CliError::Failed("no worker has taken the delivery in time; it is due".to_owned());
                Err(error.hint("start the shop; onramp-webhooks inbox watch shows what it does"))
            }
            () if leased > 0 => {
                let error = CliError::Failed("a worker still handles the delivery; the result is not known yet".to_owned());
                Err(error.hint("onramp-webhooks inbox watch shows the result; --wait 5m waits for longer"))
            }
            () if changed + refused + unknown > 0 && handled + due == 0 => {
                Err(CliError::Refused("nothing was replayed".to_owned()))
            }
            () if refused + unknown > 0 => Ok(ExitStatus::Findings),
            () => Ok(ExitStatus::Success),
        }
    }
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::StillUnreadable(reason) | Outcome::Refused(reason) => Some(reason.clone()),
        Outcome::Duplicate(first) => Some(format!("repeats delivery {first}")),
        Outcome::Conflict(first) => Some(format!("contradicts delivery {first}")),
        Outcome::Changed => Some("its state has changed meanwhile".to_owned()),
        Outcome::UnknownResult => {
            Some("its handler may have succeeded; look at what it did, then replay it with --even-handled".to_owned())
        }
        Outcome::Leased => Some("a worker still handles it".to_owned()),
        Outcome::NotTaken => Some("no worker has taken it in time".to_owned()),
        _ => None,
    }
}

fn line(record: &Record, outcome: &Outcome, note: Option<&str>) -> Line {
    let line = Line::new().text(format_args!("#{}  ", record.id));
    match outcome {
        Outcome::Handled(took) => line.styled(GREEN, "handled").text(format_args!(" in {} ms", took.as_millis())),
        Outcome::FailedAgain(state) => {
            line.styled(RED, "failed again").text(format_args!(", {state}: {}", note.unwrap_or_default()))
        }
        outcome => {
            let line =
                line.styled(if outcome.is_failure() { RED } else { anstyle::Style::new() }, outcome.word().replace('_', " "));
            reason(outcome).iter().fold(line, |line, reason| line.text(format_args!(": {reason}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_deliveries_are_findings_and_changed_ones_are_not() {
        let none = Counts::default;
        for (counts, expected) in [
            (Counts { handled: 1, ..none() }, ExitStatus::Success),
            (Counts { handled: 1, changed: 1, ..none() }, ExitStatus::Success),
            (Counts { due: 1, changed: 1, ..none() }, ExitStatus::Success),
            (Counts { handled: 1, refused: 1, ..none() }, ExitStatus::Findings),
            (Counts { due: 1, changed: 1, refused: 1, ..none() }, ExitStatus::Findings),
            (Counts { handled: 1, unknown: 1, ..none() }, ExitStatus::Findings),
            (Counts { failed: 1, refused: 1, ..none() }, ExitStatus::Findings),
            (Counts { refused: 1, ..none() }, ExitStatus::Refused),
            (Counts { changed: 1, ..none() }, ExitStatus::Refused),
            (Counts { unknown: 1, ..none() }, ExitStatus::Refused),
            (Counts { handled: 1, refused: 1, not_taken: 1, ..none() }, ExitStatus::Failed),
        ] {
            let status = counts.status(false).unwrap_or_else(|error| error.exit_status());
            assert_eq!(status, expected, "{counts:?}");
        }
    }
}
