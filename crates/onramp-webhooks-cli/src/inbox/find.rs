//! The command `onramp-webhooks inbox find`.

use std::collections::BTreeSet;

use clap::Args;
use indicatif::ProgressBar;
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::{Filter, Record, list_all};
use onramp_webhooks::provider::Providers;

use super::reading::failed;
use super::view::View;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::text::Line;
use crate::time::{TimeArg, date_and_time, parse_time};

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox find 01M7BZ4Q0EXAMPLE0000WHBPVM
  onramp-webhooks inbox find customer-42 --since 90d
  onramp-webhooks inbox find bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a --limit 1";

/// Find the deliveries about an order, a uuid, a transaction, a click or any other text.
///
/// Ids are found by an index. Any other text is searched for in bodies and notes, the newest first.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Find {
    /// An id, or a text in a body or a note
    text: String,
    /// Search for text in deliveries that arrived since this time. Ids are found whenever they arrived
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_time)]
    since: TimeArg,
    /// The maximum number of deliveries
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
}

impl Find {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        if self.text.trim().is_empty() {
            return Err(CliError::Usage("there is no text to find".to_owned()));
        }
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let providers = Providers::default();
        let view = View::new(&providers, globals);
        let by_index = Filter::all().about(&*self.text).with_bodies();
        let mut found = list_all(&*inbox, by_index).await.map_err(failed)?;
        found.truncate(self.limit);
        let known: BTreeSet<_> = found.iter().map(|record| record.id).collect();
        view.list(&found, output)?;

        let since = self.since.resolve(SystemClock::default().now(), &output.zone);
        let bar = ProgressBar::with_draw_target(None, output.progress());
        let (needles, mut number) = (needles(&self.text), found.len());
        let mut next = Some(Filter::all().since(since).with_bodies().limit(1_000)).filter(|_| number < self.limit);
        while let Some(filter) = next {
            let page = inbox.list(filter.clone()).await.map_err(failed)?;
            next = filter.following(&page).filter(|_| page.searched_to.is_none_or(|searched_to| searched_to >= since));
            bar.set_message(progress(page.searched_to, output));
            let matches = |record: &&Record| !known.contains(&record.id) && contains(record, &self.text, &needles);
            let new: Vec<_> = page.records.iter().filter(matches).take(self.limit - number).cloned().collect();
            number += new.len();
            bar.suspend(|| view.list(&new, output))?;
            next = next.filter(|_| number < self.limit && !output.is_closed());
        }
        bar.finish_and_clear();
        if number == 0 {
            let since = date_and_time(since, &output.zone);
            output.note(
                &Line::new().text(format_args!("not found; text was searched for since {since}: --since 90d searches further")),
            );
        }
        Ok(ExitStatus::Success)
    }
}

fn progress(searched_to: Option<Timestamp>, output: &Output) -> String {
    searched_to.map_or_else(String::new, |time| format!("searched to {}", date_and_time(time, &output.zone)))
}

/// Returns the forms in which a body can contain a text: as it is, and with the escapes of JSON.
fn needles(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::Value::from(text).to_string();
    let escaped = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    let mut needles = vec![text.as_bytes().to_vec()];
    needles.extend((escaped != text).then(|| escaped.as_bytes().to_vec()));
    needles
}

fn contains(record: &Record, text: &str, needles: &[Vec<u8>]) -> bool {
    let in_body = |body: &[u8]| needles.iter().any(|needle| memchr::memmem::find(body, needle).is_some());
    record.body.as_ref().is_some_and(|body| in_body(body))
        || record.note.as_ref().is_some_and(|note| note.contains(text))
        || record.resolution.as_ref().is_some_and(|note| note.contains(text))
}
