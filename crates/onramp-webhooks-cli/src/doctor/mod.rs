//! The command `onramp-webhooks doctor`.

mod configuration;
mod files;
mod finding;
mod public;
mod skew;
mod store;

use std::time::Duration;

use clap::Args;
use onramp_webhooks::clock::{Clock, SystemClock};

use self::finding::{Finding, Verdict};
use self::public::PublicUrl;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::time::{parse_duration, parse_limit};

const EXAMPLES: &str = "Examples:
  onramp-webhooks doctor
  onramp-webhooks doctor --endpoint wert --silent-after 6h
  onramp-webhooks doctor --public-url http://127.0.0.1:8080/webhooks/wert";

/// The endpoints of a shop that gives them no other names.
const ENDPOINTS: [&str; 2] = ["wert", "kriptomat"];

/// Check the configuration, the inbox and the way to the shop. Exit code 3 if a check fails.
///
/// Run it with the environment of the shop. It creates no inbox and migrates none. It sends only requests with a wrong secret and without
/// an event.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// The endpoint whose deliveries are looked at; may be repeated [default: wert and kriptomat]
    #[arg(long = "endpoint", value_name = "NAME")]
    endpoints: Vec<String>,
    /// The address of an endpoint as the provider knows it, without its secret: https://shop.example/webhooks/wert
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Fail if an endpoint received nothing for longer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2d")]
    silent_after: Duration,
    /// Time limit of each request to --public-url
    #[arg(long, value_name = "DURATION", value_parser = parse_limit, default_value = "5s")]
    timeout: Duration,
}

impl Doctor {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let clock = SystemClock::default();
        let mut report = Report { output, has_failed: false };
        report.add(configuration::findings(|name| std::env::var(name)))?;
        self.store(globals, &clock, &mut report).await?;
        if let Some(url) = &self.public_url {
            report.add(public::findings(url, self.timeout, &clock).await?)?;
        }
        Ok(if report.has_failed { ExitStatus::Findings } else { ExitStatus::Success })
    }

    async fn store(&self, globals: &Globals, clock: &dyn Clock, report: &mut Report<'_>) -> Result<(), CliError> {
        let address = match globals.required_database() {
            Ok(address) => address,
            Err(error) => {
                let fix = error.next_step().map_or_else(String::new, |next| format!("Next: {next}."));
                return report.add([Finding::failed("store", error.to_string(), fix)]);
            }
        };
        let (findings, inbox) = store::findings(&address, &globals.schema, clock).await;
        report.add(findings)?;
        let Some(inbox) = inbox else { return Ok(()) };
        let named = self.endpoints.iter().map(String::as_str);
        let endpoints: Vec<&str> = if self.endpoints.is_empty() { ENDPOINTS.to_vec() } else { named.collect() };
        for endpoint in endpoints {
            report.add([store::silence(&*inbox, endpoint, self.silent_after, clock.now()).await])?;
        }
        Ok(())
    }
}

/// Writes findings as they are made.
struct Report<'a> {
    output: &'a Output,
    has_failed: bool,
}

impl Report<'_> {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), CliError> {
        findings.into_iter().try_for_each(|finding| {
            self.has_failed |= finding.verdict == Verdict::Failed;
            finding.write(self.output)
        })
    }
}
