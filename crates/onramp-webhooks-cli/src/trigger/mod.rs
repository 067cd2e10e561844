//! The command `onramp-webhooks trigger`.

mod edit;
mod latency;
mod print;
pub(crate) mod rate;
mod scenario;
mod send;
mod source;
mod summary;
mod tally;
mod target;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use onramp_webhooks::provider::{Facts, Provider};
use onramp_webhooks::{Kriptomat, Wert};
use tokio::time::Instant;

use self::edit::Edit;
use self::print::Print;
use self::rate::Turns;
use self::scenario::{OrderOutcome, SEQUENCES, Scenario, Sender, wert_events};
use self::send::Sending;
use self::source::{Bodies, Broken, Plan, Source};
use self::summary::Run;
use self::target::Target;
use crate::exit::{CliError, ExitStatus};
use crate::http::HttpClient;
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::secret;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks trigger wert checkout
  onramp-webhooks trigger wert order_complete --set order.quote_amount=99.90 --customer customer-42
  onramp-webhooks trigger wert checkout --count 200 --rate 500/s --duplicates 1 --shuffle
  onramp-webhooks trigger kriptomat purchase --conflict
  onramp-webhooks trigger wert order_complete --broken not-json
  onramp-webhooks trigger wert order_complete --print curl
  onramp-webhooks trigger list";

/// The number of requests up to which each has a line.
const MOST_LINES: u64 = 20;

/// The size of the largest file with a body, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// The time after which a progress bar appears.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

const TEMPLATE: &str = "{pos} of {len} sent [{bar:30}] {msg}/s";

/// Send events as the providers send them: to the local `listen`, or to a receiver of your own
///
/// Exit code: 0 if every event was acknowledged as its provider requires (with --forged: refused), 3 if not.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Trigger {
    /// The provider, or `list` for a list of the events
    #[arg(value_enum, value_name = "PROVIDER")]
    sender: Sender,
    /// An event, or a sequence of events: see `trigger list`
    #[arg(value_name = "EVENT")]
    event: Option<String>,
    /// Send the content of a file instead, or of standard input with -
    #[arg(long, value_name = "BODY", conflicts_with_all = ["event", "outcome", "customer", "order"])]
    file: Option<PathBuf>,
    /// The address of the endpoint. Without it, the local `listen` is found
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Confirm that a host other than this machine gets the events, which look like money: at most 1000, and 50/s
    #[arg(long, value_name = "HOST", requires = "to")]
    allow_host: Option<String>,
    /// Replace a value, such as order.base_amount=5. It keeps its JSON type. The changes are made in this sequence
    #[arg(long, value_name = "PATH=VALUE", value_parser = Edit::set)]
    set: Vec<Edit>,
    /// Replace or add a JSON value, such as order.partner_data='{"sc_id":"7"}'
    #[arg(long, value_name = "PATH=JSON", value_parser = Edit::set_json)]
    set_json: Vec<Edit>,
    /// Remove a value
    #[arg(long, value_name = "PATH", value_parser = Edit::unset)]
    unset: Vec<Edit>,
    /// Add a text
    #[arg(long, value_name = "PATH=TEXT", value_parser = Edit::add)]
    add: Vec<Edit>,
    /// The customer. Without it, each order has one of a hundred, and any other event has a new one
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// The id of the order, or Kriptomat's uuid. Without it, each order has a new one
    #[arg(long, value_name = "ID", conflicts_with = "count")]
    order: Option<String>,
    /// The outcome of `wert checkout`
    #[arg(long, value_enum)]
    outcome: Option<OrderOutcome>,
    /// The number of orders or customers, or of single events
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// The number of requests in a second (200/s), a minute (30/m) or an hour (5/h). Without it, as many as are acknowledged
    #[arg(long, value_parser = rate::parse)]
    rate: Option<f64>,
    /// The number of orders that are sent at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// Send each event this many times more
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000))]
    duplicates: u32,
    /// Send the events in a random sequence
    #[arg(long)]
    shuffle: bool,
    /// The seed of random choices. The same seed makes the same choices, but ids are new
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The pauses between the events of an order: none, or 30 s as with a customer
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pace: Pace,
    /// After each purchase, send another one with the same id and another amount
    #[arg(long)]
    conflict: bool,
    /// Use a wrong secret. The receiver has to refuse the events
    #[arg(long)]
    forged: bool,
    /// Damage the requests
    #[arg(long, value_enum)]
    broken: Option<Broken>,
    /// Print the requests instead of sending them
    #[arg(long, value_enum)]
    print: Option<Print>,
}

/// The pauses between the events of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pace {
    Fast,
    Real,
}

impl Trigger {
    pub(crate) async fn run(self, output: &Output) -> Result<ExitStatus, CliError> {
        if self.sender == Sender::List {
            return list(output);
        }
        let facts = if self.sender == Sender::Kriptomat { Kriptomat::FACTS } else { Wert::FACTS };
        let plan = self.plan(facts)?;
        let planned = Source::check(&plan)?;
        if let Some(form) = self.print {
            let target = self.to.as_deref().map(|to| Target::find(Some(to), self.sender)).transpose()?;
            print::all(Source::new(plan), form, target.as_ref(), output)?;
            return Ok(ExitStatus::Success);
        }
        let target = Target::find(self.to.as_deref(), self.sender)?;
        let rate = target.permit(self.allow_host.as_deref(), planned, self.rate)?;
        target.check().await?;
        let (seed, begun) = (plan.seed, Instant::now());
        let has_lines = planned <= MOST_LINES && !output.json;
        let sending = Sending {
            client: HttpClient::new(&target.uri, usize::from(self.at_once))?,
            uri: if self.forged { target.forged(&forged_secret()?) } else { target.uri },
            facts,
            is_forged: self.forged,
            broken: self.broken,
            turns: Turns::new(rate),
            source: Mutex::new(Source::new(plan)),
            lines: has_lines.then(|| output.clone()),
            sent: AtomicU64::new(0),
        };
        let bar = bar(planned, output);
        let sent = send::all(sending, usize::from(self.at_once), Interrupts::listen()?, |sent| {
            if !has_lines && begun.elapsed() >= PROGRESS_AFTER {
                bar.set_position(sent);
                bar.set_message(format!("{:.0}", sent as f64 / begun.elapsed().as_secs_f64()));
            }
        });
        let sent = sent.await;
        bar.finish_and_clear();
        let run = Run { facts, is_forged: self.forged, planned, took: begun.elapsed(), seed };
        match sent {
            Ok(mut sent) => run.summarize(&mut sent, output),
            Err(status) => Ok(status),
        }
    }

    fn plan(&self, facts: Facts) -> Result<Plan, CliError> {
        let bodies = match (&self.file, &self.event) {
            (Some(file), _) => Bodies::File(read(file)?),
            (None, Some(event)) => Bodies::Scenario(Scenario::named(self.sender, event, self.outcome)?),
            (None, None) => return Err(CliError::Usage("the event is missing".to_owned()).hint("onramp-webhooks trigger list")),
        };
        if self.shuffle && self.pace == Pace::Real {
            return Err(CliError::Usage("--shuffle and --pace real exclude each other".to_owned()));
        }
        let (customer, order): (&[&str], &[&str]) = match self.sender {
            Sender::Kriptomat => (&["additional_fields[0]"], &["uuid"]),
            _ => (&["click_id"], &["order", "id"]),
        };
        let customer = self.customer.as_deref().map(|id| Edit::text(customer, id));
        let order = self.order.as_deref().map(|id| Edit::existing_text(order, id));
        let given = [&self.set, &self.set_json, &self.unset, &self.add].into_iter().flatten().cloned();
        Ok(Plan {
            provider: facts.name(),
            bodies,
            edits: customer.into_iter().chain(order).chain(given).collect(),
            conflict: self.conflict,
            duplicates: self.duplicates,
            shuffle: self.shuffle,
            broken: self.broken,
            is_real_pace: self.pace == Pace::Real,
            count: self.count,
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..)),
        })
    }
}

/// Returns a secret that no receiver has.
fn forged_secret() -> Result<String, CliError> {
    Ok(format!("forged-{:032x}", u128::from_be_bytes(secret::random()?)))
}

fn read(file: &Path) -> Result<Bytes, CliError> {
    let read = || {
        let mut body = Vec::new();
        let limit = LARGEST_FILE + 1;
        let length = match file == Path::new("-") {
            true => std::io::stdin().lock().take(limit).read_to_end(&mut body)?,
            false => std::fs::File::open(file)?.take(limit).read_to_end(&mut body)?,
        };
        match length as u64 > LARGEST_FILE {
            true => Err(std::io::Error::other("more than 16 MiB")),
            false => Ok(Bytes::from(body)),
        }
    };
    read().map_err(|error| CliError::with_source(format!("reading {}", file.display()), &error))
}

fn bar(planned: u64, output: &Output) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(planned), output.progress());
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn list(output: &Output) -> Result<ExitStatus, CliError> {
    let events = wert_events().map(|event| ("wert", event, "one event"));
    for (provider, name, purpose) in SEQUENCES.into_iter().chain(events) {
        if output.json {
            output.object(&serde_json::json!({ "object": "event", "provider": provider, "name": name, "purpose": purpose }))?;
        } else {
            output.line(&Line::new().text(format_args!("{provider:<9}  {name:<24}  {purpose}")))?;
        }
    }
    Ok(ExitStatus::Success)
}
