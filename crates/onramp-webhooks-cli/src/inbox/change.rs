//! The rule for commands that change deliveries: bounded, shown before, and confirmed.

use clap::Args;
use onramp_webhooks::inbox::Record;

use super::selection::{Chosen, MOST_COUNTED};
use super::view::{View, deliveries, purchases};
use crate::exit::{CliError, ExitStatus};
use crate::output::Output;
use crate::prompt::{self, Answer};
use crate::text::Line;
use crate::time::date_and_time;

/// Number of deliveries above which the number has to be typed.
const FEW: u64 = 10;

/// Flags of commands that change deliveries.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Changes")]
pub(crate) struct Change {
    #[command(flatten)]
    confirmation: Confirmation,
    /// The maximum number of deliveries: more of them are refused
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    max: u64,
    /// The number of deliveries: another one is refused
    #[arg(long, value_name = "NUMBER")]
    expect: Option<u64>,
}

/// Flags of every change.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Changes")]
pub(crate) struct Confirmation {
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask. Required without a terminal
    #[arg(short, long)]
    yes: bool,
}

/// A decision about a change.
pub(super) enum Decision {
    Proceed,
    /// Changes nothing.
    Stop(ExitStatus),
}

impl Change {
    /// Decides whether to change the deliveries. `verb` is the change, such as `replay`.
    pub(super) async fn decide(
        &self,
        verb: &str,
        chosen: &Chosen,
        view: &View<'_>,
        output: &Output,
    ) -> Result<Decision, CliError> {
        let number = chosen.tally.deliveries;
        self.check(verb, number, chosen.has_more)?;
        if number == 0 {
            output.note(&Line::new().text(format_args!("no delivery matches; nothing to {verb}")));
            return Ok(Decision::Stop(ExitStatus::Success));
        }
        output.note(&summary(chosen, output));
        if self.confirmation.dry_run {
            view.list(&chosen.records, output)?;
        }
        self.confirmation.decide(verb, number, output).await
    }

    /// Returns whether nothing is to be changed.
    pub(super) const fn is_dry(&self) -> bool {
        self.confirmation.dry_run
    }

    /// Refuses a number of deliveries above the limit, and one that is not expected.
    fn check(&self, verb: &str, number: u64, has_more: bool) -> Result<(), CliError> {
        let shown = if has_more { format!("more than {MOST_COUNTED}") } else { number.to_string() };
        if let Some(expected) = self.expect
            && (has_more || expected != number)
        {
            return Err(CliError::Refused(format!("{shown} deliveries match, and --expect {expected} was given")));
        }
        if has_more || (number > 1 && number > self.max) {
            let hint = match has_more {
                true => "narrow the selection, such as with --since, or change the oldest first with --limit".to_owned(),
                false => format!("to {verb} all of them, add --max {number}"),
            };
            return Err(CliError::Refused(format!("{shown} deliveries match, and --max is {}", self.max)).hint(hint));
        }
        Ok(())
    }
}

impl Confirmation {
    /// Decides whether to change so many deliveries, which were shown before.
    pub(super) async fn decide(self, verb: &str, number: u64, output: &Output) -> Result<Decision, CliError> {
        if self.dry_run {
            output.note(&Line::new().text(format_args!("nothing was changed; without --dry-run, {verb} changes {number}")));
            return Ok(Decision::Stop(ExitStatus::Success));
        }
        if self.yes {
            return Ok(Decision::Proceed);
        }
        if !prompt::can_ask() {
            return Err(CliError::Refused(format!("{verb} has to be confirmed")).hint("add --yes, or run it on a terminal"));
        }
        let question = match number {
            ..=FEW => Line::new().text(format_args!("{verb} {number}? y/N:")),
            _ => Line::new().text(format_args!("Type {number} to {verb} them:")),
        };
        match prompt::ask(&question, output).await? {
            Answer::Interrupted => Ok(Decision::Stop(ExitStatus::Interrupted)),
            Answer::Line(answer) if agrees(&answer, number) => Ok(Decision::Proceed),
            Answer::Line(_) => Err(not_confirmed()),
        }
    }
}

/// Asks for the id of a delivery, from a terminal or any other input. For changes that cannot be taken back.
pub(super) async fn type_the_id(record: &Record, meaning: &Line, output: &Output) -> Result<Decision, CliError> {
    output.note(meaning);
    let question = Line::new().text(format_args!("Type {} to continue:", record.id));
    match prompt::ask(&question, output).await? {
        Answer::Interrupted => Ok(Decision::Stop(ExitStatus::Interrupted)),
        Answer::Line(answer) if answer == record.id.to_string() => Ok(Decision::Proceed),
        Answer::Line(_) => Err(not_confirmed().hint(format!("the id {} has to be typed; --yes does not replace it", record.id))),
    }
}

fn not_confirmed() -> CliError {
    CliError::Refused("not confirmed; nothing was changed".to_owned())
}

/// Returns whether an answer confirms a change of so many deliveries.
fn agrees(answer: &str, number: u64) -> bool {
    match number {
        ..=FEW => matches!(answer.to_lowercase().as_str(), "y" | "yes"),
        _ => answer == number.to_string(),
    }
}

/// Returns the deliveries in words: their number, their times and their money.
fn summary(chosen: &Chosen, output: &Output) -> Line {
    let tally = &chosen.tally;
    let mut line = Line::new().text(deliveries(tally.deliveries));
    if let (Some(first), Some(last)) = (tally.first, tally.last) {
        line = match tally.deliveries == 1 {
            true => line.text(", received ").text(date_and_time(first, &output.zone)),
            false => {
                let (first, last) = (date_and_time(first, &output.zone), date_and_time(last, &output.zone));
                line.text(format_args!(", received {first} to {last}"))
            }
        };
    }
    let unknown = chosen.records.iter().filter(|record| record.has_unknown_result()).count();
    let unknown = (unknown > 0).then(|| format!("{unknown} with an unknown result"));
    let parts = [purchases(tally), unknown.unwrap_or_default()].into_iter().filter(|part| !part.is_empty());
    parts.fold(line, |line, part| line.text("; ").text(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(max: u64, expect: Option<u64>) -> Change {
        Change { confirmation: Confirmation { dry_run: false, yes: true }, max, expect }
    }

    #[test]
    fn more_than_the_maximum_is_refused() {
        assert!(change(100, None).check("replay", 100, false).is_ok());
        let error = change(100, None).check("replay", 101, false).unwrap_err();
        assert_eq!(error.exit_status(), ExitStatus::Refused);
        assert_eq!(error.next_step(), Some("to replay all of them, add --max 101"));
        assert!(change(0, None).check("replay", 1, false).is_ok(), "one needs no maximum");
        assert!(change(u64::MAX, None).check("replay", 10_000, true).is_err(), "all have to be counted");
        assert!(change(9, Some(3)).check("replay", 3, false).is_ok());
        for found in [0, 2, 4] {
            assert!(change(9, Some(3)).check("replay", found, false).is_err());
        }
    }

    #[test]
    fn one_letter_confirms_few_and_the_number_many() {
        for (answer, number, expected) in [
            ("y", 1, true),
            ("Yes", 10, true),
            ("", 1, false),
            ("n", 1, false),
            ("y", 11, false),
            ("11", 11, true),
            ("12", 11, false),
            ("1", 1, false),
        ] {
            assert_eq!(agrees(answer, number), expected, "{answer} {number}");
        }
    }
}
