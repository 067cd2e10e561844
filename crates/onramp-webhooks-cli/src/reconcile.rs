//! `onramp-webhooks reconcile`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use onramp_webhooks::Inbox;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::inbox::State;
use onramp_webhooks_client::WertDataApi;
use onramp_webhooks_client::wert::{Pass, Reconciler, Window};

use crate::moment::{Moment, duration, moment};
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;
use crate::resume::{ResumeFile, Stood};
use crate::{database, output};

const PRODUCTION: &str = "https://partner.wert.io";
const SANDBOX: &str = "https://partner-sandbox.wert.io";

/// Compare the orders that Wert knows with what the inbox received, and repair what is missing.
///
/// Exit code: 0 when nothing was found or all that was is repaired, 1 after an error, 2 for a wrong command line, 3 when something is
/// left for a person to look at, 130 when it was interrupted.
#[derive(Args)]
pub(crate) struct Reconcile {
    /// The inbox: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// The schema of the inbox in PostgreSQL
    #[arg(long, default_value = "onramp")]
    schema: String,
    /// The name of the receiver's endpoint
    #[arg(long, default_value = "wert")]
    endpoint: String,
    /// The key of Wert's Data API; better given in the environment, because others see command lines
    #[arg(long, env = "WERT_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Where Wert's Data API is. Default: production
    #[arg(long, env = "WERT_API_URL", conflicts_with = "sandbox")]
    api_url: Option<String>,
    /// Ask Wert's sandbox
    #[arg(long)]
    sandbox: bool,
    /// Orders made since then: 2026-01-31T18:00:00Z, or 48h ago
    #[arg(long, default_value = "48h", value_parser = moment)]
    since: Moment,
    /// Orders made until then
    #[arg(long, default_value = "0s", value_parser = moment)]
    until: Moment,
    /// Leave alone what is younger than this: its event may be on its way
    #[arg(long, default_value = "15m", value_parser = duration)]
    grace: Duration,
    /// Make deliveries of what is missing; without this, nothing is changed
    #[arg(long)]
    repair: bool,
    /// Note in this file how far it came, and go on from there if it exists. It is removed at the end
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Write what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Reconcile {
    pub(crate) async fn run(self) -> Result<Outcome, Failure> {
        let now = SystemClock::default().now();
        let window = Window::new(self.since.before(now), self.until.before(now));
        if window.since >= window.until {
            return Err(Failure::Misuse("--since has to be before --until".to_owned()));
        }
        let file = self.resume.clone().map(ResumeFile::at);
        let stood = file.as_ref().map(ResumeFile::read).transpose()?.flatten();
        let api = WertDataApi::at(self.api_url(), &*self.api_key).build();
        let api = api.map_err(|error| Failure::Misuse(format!("--api-key, --api-url: {error}")))?;
        let inbox = database::open(&self.database_url, &self.schema).await?;
        if self.repair {
            warn_if_empty(&*inbox).await;
        }
        let reconciler = Reconciler::new(api, inbox, &*self.endpoint).grace(self.grace);
        let pass = match stood {
            Some(stood) => self.resumed(&reconciler, stood)?,
            None if self.repair => reconciler.repair(window),
            None => reconciler.report(window),
        };
        self.finish(pass, file.as_ref()).await
    }

    fn api_url(&self) -> &str {
        match &self.api_url {
            _ if self.sandbox => SANDBOX,
            Some(url) => url,
            None => PRODUCTION,
        }
    }

    fn resumed(&self, reconciler: &Reconciler, stood: Stood) -> Result<Pass, Failure> {
        let another = |what: &str| Failure::Misuse(format!("--resume: the file is about {what}; remove it to begin anew"));
        if stood.api_url != self.api_url() {
            return Err(another("another address of the API"));
        }
        if stood.checkpoint.repair != self.repair {
            return Err(another(if self.repair { "a run without --repair" } else { "a run with --repair" }));
        }
        reconciler.resume(stood.checkpoint).map_err(|_| another("another endpoint"))
    }

    async fn finish(&self, mut pass: Pass, file: Option<&ResumeFile>) -> Result<Outcome, Failure> {
        let progress = Progress::new(pass.checkpoint());
        let mut interrupted = std::pin::pin!(interrupted());
        loop {
            let step = tokio::select! {
                step = pass.step() => step,
                () = &mut interrupted => {
                    drop(progress);
                    eprintln!("interrupted{}", noted(file));
                    return Ok(Outcome::Interrupted);
                }
            };
            match step {
                Ok(Some(step)) => progress.at(pass.checkpoint(), &step),
                Ok(None) => break,
                Err(error) => return Err(Failure::because(format!("not finished{}", noted(file)), &error)),
            }
            if let Some(file) = file {
                file.write(&Stood { api_url: self.api_url().to_owned(), checkpoint: pass.checkpoint().clone() })?;
            }
        }
        drop(progress);
        output::write(pass.checkpoint(), self.json)?;
        if let Some(file) = file {
            file.remove()?;
        }
        Ok(if pass.summary().is_settled() { Outcome::Settled } else { Outcome::Open })
    }
}

fn noted(file: Option<&ResumeFile>) -> String {
    file.map(|file| format!(" ({:?} says how far it came)", file.path())).unwrap_or_default()
}

/// An inbox in which nothing ever came in is more likely the wrong one.
async fn warn_if_empty(inbox: &dyn Inbox) {
    if let Ok(counts) = inbox.counts().await
        && State::ALL.into_iter().all(|state| counts.of(state) == 0)
    {
        eprintln!("warning: the inbox is empty; is it the right database?");
    }
}

/// Returns when somebody wants the program to end.
async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
