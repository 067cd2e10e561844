//! The command `onramp-webhooks inbox export`.

use std::io::IsTerminal;

use clap::Args;
use indicatif::ProgressBar;
use onramp_webhooks::clock::{Clock, SystemClock};

use super::reading::failed;
use super::selection::Selection;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox export > deliveries.jsonl
  onramp-webhooks inbox export --state dead --since 48h > dead.jsonl";

/// Write deliveries as lines of JSON, the oldest first: with their states, keys and exact bodies, personal data included.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export {
    #[command(flatten)]
    selection: Selection,
}

impl Export {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if std::io::stdout().is_terminal() {
            let refused = CliError::Refused("an export contains personal data, and is not for a terminal".to_owned());
            return Err(refused.hint("onramp-webhooks inbox export > deliveries.jsonl"));
        }
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let mut interrupts = Interrupts::listen()?;
        let (bar, mut number, mut left) =
            (ProgressBar::with_draw_target(None, output.progress()), 0_usize, self.selection.limit.unwrap_or(usize::MAX));
        if !self.selection.ids.is_empty() {
            for id in &self.selection.ids {
                let record = super::reading::whole(&*inbox, *id).await?;
                output.raw(format!("{}\n", record.to_json_line()).as_bytes())?;
            }
            return Ok(ExitStatus::Success);
        }
        let filter = self.selection.filter(&[], SystemClock::default().now(), &output.zone);
        let mut next = Some(filter.oldest_first().with_bodies().limit(1_000)).filter(|_| left > 0);
        while let Some(filter) = next {
            let page = tokio::select! {
                page = inbox.list(filter.clone()) => page.map_err(failed)?,
                () = interrupts.next() => {
                    output.note(&Line::new().text(format_args!("interrupted after {number} deliveries")));
                    return Ok(ExitStatus::Interrupted);
                }
            };
            next = filter.following(&page);
            let lines: String = page.records.iter().take(left).map(|record| format!("{}\n", record.to_json_line())).collect();
            output.raw(lines.as_bytes())?;
            number += page.records.len().min(left);
            left = left.saturating_sub(page.records.len());
            next = next.filter(|_| left > 0);
            bar.set_message(format!("{number} deliveries"));
            bar.tick();
            if output.is_closed() {
                break;
            }
        }
        bar.finish_and_clear();
        output.note(&Line::new().text(format_args!("{number} deliveries exported")));
        Ok(ExitStatus::Success)
    }
}
