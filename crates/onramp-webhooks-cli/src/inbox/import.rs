//! The command `onramp-webhooks inbox import`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Filter, Record, Restored, find_first, restorable};
use onramp_webhooks::{Inbox, StoreError, StoreErrorKind};
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::task::JoinHandle;

use super::reading::failed;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::{Output, RED};
use crate::text::Line;

/// Number of deliveries that are added in one transaction.
const BATCH: usize = 1_000;

/// Size of the lines after which a batch is added, in bytes.
const LARGE_BATCH: usize = 16 << 20;

/// Maximum length of a line, in bytes. A body of the largest size has less than a quarter of it.
const LONGEST_LINE: u64 = 64 << 20;

/// Size of the parts in which a longer line is skipped, in bytes.
const SKIPPED_AT_ONCE: u64 = 1 << 20;

/// Maximum number of lines with a finding that are shown.
const MOST_SHOWN: u64 = 100;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox export | onramp-webhooks inbox import --dry-run -
  onramp-webhooks inbox export > deliveries.jsonl && onramp-webhooks inbox import deliveries.jsonl";

/// Add the deliveries of an export, with their states and keys. Known ones are left as they are.
///
/// A line that is no delivery is named by its number, and the others are added. Exit code 3 if there is such a line, or a delivery that
/// contradicts one of the inbox. Repeating an import adds no delivery twice that has a key; those without one, such as Wert's test request,
/// are added again.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check every line as an import does, and add nothing
    #[arg(long)]
    dry_run: bool,
}

/// The numbers of lines by their results.
#[derive(Default)]
struct Counts {
    lines: u64,
    new: u64,
    known: u64,
    conflicts: u64,
    rejected: u64,
    /// In a dry run, the keys that would be added, with their lines and fingerprints.
    seen: HashMap<DedupKey, (u64, Fingerprint)>,
}

/// A line of an export.
struct ExportLine {
    bytes: Vec<u8>,
    /// Set if the line is longer than any delivery. Then none of it is kept.
    is_too_long: bool,
}

/// Deliveries with the numbers of their lines.
#[derive(Default)]
struct Batch {
    records: Vec<(u64, Record)>,
    bytes: usize,
}

/// A batch that is being added.
struct Adding {
    restoring: JoinHandle<Result<Vec<Restored>, StoreError>>,
    lines: Vec<u64>,
    records: Vec<Record>,
}

impl Import {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let database = globals.required_database()?;
        let inbox = match self.dry_run {
            true => database.open_for_reading(&globals.schema).await?,
            false => database.open(&globals.schema).await?,
        };
        let mut lines = self.open().await?;
        let mut interrupts = Interrupts::listen()?;
        let (mut counts, mut batch, mut adding) = (Counts::default(), Batch::default(), None);
        // What was read before an error is added.
        let ended = loop {
            let line = tokio::select! {
                line = read_line(&mut lines) => line,
                () = interrupts.next() => break Ok(true),
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => break Ok(false),
                Err(error) => break Err(CliError::with_source("reading the export", &error)),
            };
            counts.lines += 1;
            match line.read(counts.lines == 1) {
                Ok(Some(record)) => {
                    batch.bytes += line.bytes.len();
                    batch.records.push((counts.lines, record));
                }
                Ok(None) => {}
                Err(why) => counts.reject(counts.lines, &why, output),
            }
            if batch.records.len() >= BATCH || batch.bytes >= LARGE_BATCH {
                adding = self.begin(&inbox, std::mem::take(&mut batch), adding, &mut counts, output).await?;
            }
        };
        adding = self.begin(&inbox, batch, adding, &mut counts, output).await?;
        self.end(&*inbox, adding, &mut counts, output).await?;
        self.report(&counts, output)?;
        match ended? {
            true => Ok(ExitStatus::Interrupted),
            false if counts.rejected + counts.conflicts > 0 => Ok(ExitStatus::Findings),
            false => Ok(ExitStatus::Success),
        }
    }

    async fn open(&self) -> Result<Box<dyn tokio::io::AsyncBufRead + Send + Unpin>, CliError> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(BufReader::new(tokio::io::stdin())));
        }
        let file =
            File::open(&self.file).await.map_err(|error| CliError::with_source(format!("opening {:?}", self.file), &error))?;
        Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
    }

    /// Begins to add a batch in one transaction, after the one before it. The next lines are read meanwhile.
    async fn begin(
        &self,
        inbox: &Arc<dyn Inbox>,
        batch: Batch,
        before: Option<Adding>,
        counts: &mut Counts,
        output: &Output,
    ) -> Result<Option<Adding>, CliError> {
        self.end(&**inbox, before, counts, output).await?;
        if self.dry_run || batch.records.is_empty() {
            counts.try_all(&**inbox, batch, output).await?;
            return Ok(None);
        }
        let (lines, records): (Vec<u64>, Vec<Record>) = batch.records.into_iter().unzip();
        let (inbox, of_task) = (Arc::clone(inbox), records.clone());
        Ok(Some(Adding { restoring: tokio::spawn(async move { inbox.restore(of_task).await }), lines, records }))
    }

    /// Waits for a batch. If the inbox refuses it, its deliveries are added one by one, so that only those are left out that cannot be
    /// added.
    async fn end(&self, inbox: &dyn Inbox, adding: Option<Adding>, counts: &mut Counts, output: &Output) -> Result<(), CliError> {
        let Some(Adding { restoring, lines, records }) = adding else { return Ok(()) };
        match restoring.await.map_err(|error| CliError::with_source("adding deliveries", &error))? {
            Ok(restored) => restored.iter().zip(lines).for_each(|(restored, line)| counts.add(*restored, line, output)),
            Err(error) if error.kind() == StoreErrorKind::Refused => {
                for (record, line) in records.into_iter().zip(lines) {
                    match inbox.restore(vec![record]).await {
                        Ok(restored) => restored.iter().for_each(|restored| counts.add(*restored, line, output)),
                        Err(error) if error.kind() == StoreErrorKind::Refused => counts.reject(line, &error.to_string(), output),
                        Err(error) => return Err(failed(error)),
                    }
                }
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    fn report(&self, counts: &Counts, output: &Output) -> Result<(), CliError> {
        let Counts { lines, new, known, conflicts, rejected, .. } = counts;
        if output.json {
            return output.object(&json!({
                "object": "import", "lines": lines, "new": new, "known": known, "conflicts": conflicts, "rejected": rejected,
                "dry_run": self.dry_run,
            }));
        }
        let dry = if self.dry_run { " (nothing was added)" } else { "" };
        output.line(
            &Line::new()
                .text(format_args!("{lines} lines: {new} new, {known} known, {conflicts} conflicts, {rejected} rejected{dry}")),
        )
    }
}

impl Counts {
    fn add(&mut self, restored: Restored, line: u64, output: &Output) {
        match restored {
            Restored::New(_) => self.new += 1,
            Restored::Known(_) => self.known += 1,
            Restored::Conflict(id) => self.contradict(line, &format!("delivery {id}"), output),
            _ => {}
        }
    }

    fn contradict(&mut self, line: u64, first: &str, output: &Output) {
        self.conflicts += 1;
        finding(self.conflicts, line, &format!("contradicts {first}, which was left as it is"), output);
    }

    fn reject(&mut self, line: u64, why: &str, output: &Output) {
        self.rejected += 1;
        finding(self.rejected, line, why, output);
    }

    /// Counts what adding a batch would do.
    async fn try_all(&mut self, inbox: &dyn Inbox, batch: Batch, output: &Output) -> Result<(), CliError> {
        for (line, record) in batch.records {
            let record = match restorable(record) {
                Ok(record) => record,
                Err(error) => {
                    self.reject(line, &error.to_string(), output);
                    continue;
                }
            };
            let Some(key) = &record.key else {
                self.new += 1;
                continue;
            };
            let holder = find_first(inbox, Filter::all().key(key.clone())).await.map_err(failed)?;
            // The first line with a key holds it for those that follow.
            match (holder, self.seen.entry(key.clone())) {
                (Some(holder), _) => self.add(Restored::beside(&record, holder.id, &holder.fingerprint), line, output),
                (None, Entry::Vacant(free)) => {
                    free.insert((line, record.fingerprint));
                    self.new += 1;
                }
                (None, Entry::Occupied(first)) if first.get().1 == record.fingerprint => self.known += 1,
                (None, Entry::Occupied(first)) => {
                    let first = format!("line {}", first.get().0);
                    self.contradict(line, &first, output);
                }
            }
        }
        Ok(())
    }
}

/// Writes a finding, unless there were many before it.
fn finding(number: u64, line: u64, why: &str, output: &Output) {
    if number <= MOST_SHOWN {
        output.note(&Line::new().styled(RED, format_args!("line {line}")).text(format_args!(": {why}")));
    }
}

impl ExportLine {
    /// Reads the line as a delivery. An empty line is none. Some editors put a byte-order mark before the first one.
    fn read(&self, is_first: bool) -> Result<Option<Record>, String> {
        if self.is_too_long {
            return Err("longer than any delivery".to_owned());
        }
        let line = std::str::from_utf8(&self.bytes).map_err(|error| error.to_string())?;
        let line = line.strip_prefix('\u{feff}').filter(|_| is_first).unwrap_or(line);
        match line.trim() {
            "" => Ok(None),
            line => Record::from_json_line(line).map(Some).map_err(|error| error.to_string()),
        }
    }
}

/// Reads the next line; `None` at the end. A line that is longer than any delivery is skipped in parts.
async fn read_line(lines: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> std::io::Result<Option<ExportLine>> {
    let mut bytes = Vec::new();
    lines.take(LONGEST_LINE).read_until(b'\n', &mut bytes).await?;
    let is_full = u64::try_from(bytes.len()).is_ok_and(|length| length >= LONGEST_LINE);
    if !is_full || bytes.ends_with(b"\n") {
        return Ok((!bytes.is_empty()).then_some(ExportLine { bytes, is_too_long: false }));
    }
    // The beginning is not kept either.
    bytes = Vec::new();
    let mut part = Vec::new();
    loop {
        part.clear();
        let length = lines.take(SKIPPED_AT_ONCE).read_until(b'\n', &mut part).await?;
        if length == 0 || part.ends_with(b"\n") {
            return Ok(Some(ExportLine { bytes, is_too_long: true }));
        }
    }
}
