//! The command `onramp-webhooks reconcile`.

mod progress;
mod report;
mod resume;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::State;
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{ReconcileRun, Reconciler, Window};

use self::progress::Progress;
use self::resume::{ResumeFile, ResumeState};
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;
use crate::time::{TimeArg, parse_duration, parse_time};

const EXAMPLES: &str = "Examples:
  onramp-webhooks reconcile --since 7d
  onramp-webhooks reconcile --since 7d --repair --resume /tmp/reconcile.json
  onramp-webhooks reconcile --since 2026-01-01 --until today --json";

/// Compare Wert's orders with the deliveries in an inbox, and optionally record missing ones.
///
/// Exit code: 0 if there are no findings or all of them were repaired, 1 after an error, 2 if the command line is not valid, 130 if
/// interrupted. If all open findings are of one kind: 3 missing, 4 not handled, 5 another value or status, 6 unclear, 7 unknown to Wert;
/// otherwise 8.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reconcile {
    /// The name of the receiver's endpoint whose deliveries are compared
    #[arg(long, default_value = "wert")]
    endpoint: String,
    /// The key of Wert's Data API. Prefer the environment variable, because other users of the machine can see command lines
    #[arg(long, env = "WERT_API_KEY", hide_env_values = true)]
    api_key: String,
    /// The base URL of Wert's Data API. Without it, the production API is used
    #[arg(long, env = "WERT_API_URL", conflicts_with = "sandbox")]
    api_url: Option<String>,
    /// Use the Data API of Wert's sandbox, which needs a key of its own
    #[arg(long)]
    sandbox: bool,
    /// Compare orders created since this time: 2026-01-31T18:00:00Z, 2026-01-31, today, or 48h for 48 hours ago
    #[arg(long, default_value = "48h", value_parser = parse_time)]
    since: TimeArg,
    /// Compare orders created until this time: the same format, 0s for now
    #[arg(long, default_value = "0s", value_parser = parse_time)]
    until: TimeArg,
    /// Skip orders that were created or changed more recently than this, because their events may still arrive
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    grace: Duration,
    /// Record synthetic deliveries of missing orders. Without this, findings are only reported
    #[arg(long)]
    repair: bool,
    /// Also repair orders that are older than the inbox, if they were created since this time. If another inbox has received them, they
    /// are handled twice
    #[arg(long, value_name = "TIME", requires = "repair", value_parser = parse_time)]
    repair_since: Option<TimeArg>,
    /// Save the progress in this file, and resume from it if it exists. It is removed at the end
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
}

impl Reconcile {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let now = SystemClock::default().now();
        let resolve = |time: TimeArg| time.resolve(now, &output.zone);
        let window = Window::new(resolve(self.since), resolve(self.until));
        if window.since >= window.until {
            return Err(CliError::Usage("--since must be before --until".to_owned()));
        }
        let file = self.resume.clone().map(ResumeFile::at);
        let state = file.as_ref().map(ResumeFile::read).transpose()?.flatten();
        let api = WertDataApi::at(self.api_url(), &*self.api_key).build();
        let api = api.map_err(|error| CliError::Usage(format!("--api-key, --api-url: {error}")))?;
        let inbox = globals.required_database()?.open(&globals.schema).await?;
        if self.repair {
            warn_if_empty(&*inbox, output).await;
        }
        let reconciler = Reconciler::new(api, inbox, &*self.endpoint).grace(self.grace);
        let reconciler = match self.repair_since {
            Some(since) => reconciler.repair_since(resolve(since)),
            None => reconciler,
        };
        let run = match state {
            Some(state) => self.resumed(&reconciler, state)?,
            None if self.repair => reconciler.repair(window),
            None => reconciler.report(window),
        };
        self.finish(run, file.as_ref(), output).await
    }

    fn api_url(&self) -> &str {
        match &self.api_url {
            _ if self.sandbox => WertDataApi::SANDBOX_URL,
            Some(url) => url,
            None => WertDataApi::PRODUCTION_URL,
        }
    }

    fn resumed(&self, reconciler: &Reconciler, state: ResumeState) -> Result<ReconcileRun, CliError> {
        let mismatch =
            |run: &str| CliError::Usage(format!("--resume: the file belongs to a run {run}; remove it to start again"));
        if state.api_url != self.api_url() {
            return Err(mismatch("with another API URL"));
        }
        if state.checkpoint.repair != self.repair {
            return Err(mismatch(if self.repair { "without --repair" } else { "with --repair" }));
        }
        reconciler.resume(state.checkpoint).map_err(|_| mismatch("with another endpoint"))
    }

    async fn finish(&self, mut run: ReconcileRun, file: Option<&ResumeFile>, output: &Output) -> Result<ExitStatus, CliError> {
        let progress = Progress::new(run.checkpoint(), output);
        let mut interrupts = Interrupts::listen()?;
        loop {
            let step = tokio::select! {
                step = run.step() => step,
                () = interrupts.next() => {
                    drop(progress);
                    output.note(&Line::new().text("interrupted").text(saved_in(file)));
                    return Ok(ExitStatus::Interrupted);
                }
            };
            match step {
                Ok(Some(step)) => progress.update(run.checkpoint(), &step),
                Ok(None) => break,
                Err(error) => return Err(CliError::with_source(format!("not finished{}", saved_in(file)), &error)),
            }
            if let Some(file) = file {
                file.write(&ResumeState { api_url: self.api_url().to_owned(), checkpoint: run.checkpoint().clone() })?;
            }
        }
        drop(progress);
        report::write(run.checkpoint(), output)?;
        if let Some(file) = file {
            file.remove()?;
        }
        Ok(status::of(run.summary()))
    }
}

fn saved_in(file: Option<&ResumeFile>) -> String {
    file.map(|file| format!(" (progress saved in {:?})", file.path())).unwrap_or_default()
}

/// Warns if the inbox is empty, because it is probably the wrong one.
async fn warn_if_empty(inbox: &dyn Inbox, output: &Output) {
    if let Ok(counts) = inbox.counts().await
        && State::ALL.into_iter().all(|state| counts.of(state) == 0)
    {
        output.warning("the inbox is empty; is it the right database?");
    }
}
