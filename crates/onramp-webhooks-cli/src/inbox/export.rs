//! The command `onramp-webhooks inbox export`.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::{Filter, Page};
use onramp_webhooks::{Inbox, StoreError};
use tokio::task::JoinHandle;

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
        let mut reading =
            Some(filter.oldest_first().with_bodies().limit(1_000)).filter(|_| left > 0).map(|first| read(&inbox, first));
        while let Some(page) = reading.take() {
            let (filter, page) = tokio::select! {
                page = page => page.map_err(|error| CliError::with_source("reading the inbox", &error))?,
                () = interrupts.next() => {
                    output.note(&Line::new().text(format_args!("interrupted after {number} deliveries")));
                    return Ok(ExitStatus::Interrupted);
                }
            };
            let page = page.map_err(failed)?;
            let count = page.records.len().min(left);
            (number, left) = (number + count, left - count);
            // The next page is read while this one is written.
            reading = filter.following(&page).filter(|_| left > 0).map(|next| read(&inbox, next));
            let lines: String = page.records.iter().take(count).map(|record| format!("{}\n", record.to_json_line())).collect();
            output.raw(lines.as_bytes())?;
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

/// Begins to read a page in a task of its own.
fn read(inbox: &Arc<dyn Inbox>, filter: Filter) -> JoinHandle<(Filter, Result<Page, StoreError>)> {
    let inbox = Arc::clone(inbox);
    tokio::spawn(async move {
        let page = inbox.list(filter.clone()).await;
        (filter, page)
    })
}
