//! The command `onramp-webhooks inbox stats`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::Filter;
use onramp_webhooks::traffic::{Durations, Process, Report, Summary, Traffic, Window, processes, report};
use onramp_webhooks::watchdog::{EndpointStatus, endpoints};
use serde_json::{Value, json};

use super::reading::failed;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::{BOLD, Output, RED};
use crate::table::{Cell, Table};
use crate::text::Line;
use crate::time::{date_and_time, in_words, rfc3339};

const EXAMPLES: &str = "Examples:
  onramp-webhooks inbox stats
  onramp-webhooks inbox stats --since 1h --by time
  onramp-webhooks inbox stats --since 24h --by address
  onramp-webhooks inbox stats --json";

/// Show what was received and handled, by all processes together. The last minute is missing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stats {
    /// The time before now: 1h, 24h, 7d or 90d
    #[arg(long, value_name = "SPAN", default_value_t = Window::Day)]
    since: Window,
    /// Only this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Show a row for each of these. Addresses are those of refused requests, of 24h at most
    #[arg(long, value_enum, value_name = "FIELD", default_value = "outcome")]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The outcome of requests, and the result of attempts
    Outcome,
    /// The endpoint, with its status
    Endpoint,
    /// The time
    Time,
    /// The address
    Address,
    /// The process that receives or handles
    Process,
}

/// The traffic that is shown, with the state of the fleet.
struct Found {
    report: Report,
    statuses: Vec<EndpointStatus>,
    /// The time of the last delivery at each endpoint.
    last: BTreeMap<String, Timestamp>,
    processes: Vec<Process>,
    now: Timestamp,
}

impl Stats {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let inbox = globals.required_database()?.open_for_reading(&globals.schema).await?;
        let now = SystemClock::default().now();
        let mut report = report(&*inbox, self.since, now).await.map_err(failed)?;
        let processes = processes(&*inbox).await.map_err(failed)?;
        let mut statuses = endpoints(&processes, now);
        if let Some(endpoint) = &self.endpoint {
            report.endpoints.retain(|name, _| name == endpoint);
            statuses.retain(|status| &*status.name == endpoint);
        }
        let mut found = Found { report, statuses, last: BTreeMap::new(), processes, now };
        for name in found.names().map(str::to_owned).collect::<Vec<_>>() {
            // A receiver that has ended, or started a moment ago, says nothing of it.
            let newest = inbox.list(Filter::all().endpoint(name.as_str()).limit(1)).await.map_err(failed)?;
            found.last.extend(newest.records.first().map(|record| (name, record.received_at)));
        }
        match output.json {
            true => output.object(&found.json())?,
            false => found.text(self.by, output)?,
        }
        Ok(ExitStatus::Success)
    }
}

impl Found {
    fn json(&self) -> Value {
        let endpoint = |name: &str| {
            let status = self.statuses.iter().find(|status| &*status.name == name);
            let last = self.last.get(name).copied().map(rfc3339);
            json!({ "endpoint": name, "traffic": self.report.of(name).summary(), "last_received_at": last, "status": status })
        };
        let step = |(at, traffic): (usize, &Traffic)| json!({ "at": rfc3339(self.report.at(at)), "traffic": traffic.summary() });
        let process = |process: &Process| {
            json!({
                "id": process.id,
                "version": process.version,
                "started_at": rfc3339(process.started_at),
                "seen_at": rfc3339(process.seen_at),
                "running": process.is_running(self.now),
            })
        };
        json!({
            "object": "stats",
            "since": rfc3339(self.report.since),
            "span": self.report.window.as_str(),
            "total": self.report.total().summary(),
            "endpoints": self.names().map(endpoint).collect::<Vec<_>>(),
            "steps": self.report.steps().iter().enumerate().map(step).collect::<Vec<_>>(),
            "processes": self.processes.iter().map(process).collect::<Vec<_>>(),
        })
    }

    /// Returns the names of the endpoints that have traffic or a status.
    fn names(&self) -> impl Iterator<Item = &str> {
        let silent = self.statuses.iter().map(|status| &*status.name).filter(|name| !self.report.endpoints.contains_key(*name));
        self.report.endpoints.keys().map(String::as_str).filter(|name| !name.is_empty()).chain(silent)
    }

    fn text(&self, by: By, output: &Output) -> Result<(), CliError> {
        let total = self.report.total().summary();
        let line = format!("{} received, {} refused in the last {}", total.received, total.refused, self.report.window);
        output.line(&Line::new().styled(BOLD, line))?;
        if let Some(took) = &total.acknowledged {
            output.line(&Line::new().text(format_args!("acknowledged: {}", durations(took))))?;
        }
        if let Some(took) = &total.handled {
            output.line(&Line::new().text(format_args!("handlers: {}", durations(took))))?;
        }
        if total.backlog.as_secs() > 0 {
            output.line(&Line::new().text(format_args!("oldest delivery: due for at most {}", in_words(total.backlog))))?;
        }
        match by {
            By::Outcome => outcomes(&total).write(output),
            By::Endpoint => self.endpoints(output),
            By::Time => self.times(output).write(output),
            By::Address => addresses(&total).write(output),
            By::Process => self.processes(output).write(output),
        }
    }

    fn endpoints(&self, output: &Output) -> Result<(), CliError> {
        for name in self.names() {
            let traffic = self.report.of(name).summary();
            let mut line = Line::new().styled(BOLD, name);
            let status = self.statuses.iter().find(|status| &*status.name == name);
            match status {
                Some(status) if status.verdict.is_alarm() => line = line.text("  ").styled(RED, status.verdict.as_str()),
                Some(status) => line = line.text(format_args!("  {}", status.verdict)),
                None => line = line.text("  no receiver runs"),
            }
            output.line(&line)?;
            let last = self.last.get(name).map_or_else(|| "none".to_owned(), |last| date_and_time(*last, &output.zone));
            let counts = format_args!("    {} received, {} refused; last delivery: {last}", traffic.received, traffic.refused);
            output.line(&Line::new().text(counts))?;
            if let Some(advice) = status.and_then(|status| status.advice.as_ref()) {
                output.line(&Line::new().text("    ").text(advice))?;
            }
        }
        Ok(())
    }

    fn times(&self, output: &Output) -> Table {
        let mut table = Table::default();
        for (step, traffic) in self.report.steps().iter().enumerate() {
            let figures = traffic.summary();
            if *traffic == Traffic::default() {
                continue;
            }
            table.row([
                Cell::new(date_and_time(self.report.at(step), &output.zone)),
                Cell::new(format!("{} received", figures.received)),
                Cell::new(format!("{} refused", figures.refused)),
                Cell::new(figures.acknowledged.map_or_else(String::new, |took| format!("p99 {}", in_words(took.p99)))),
                Cell::new(counted(&figures.attempts)),
            ]);
        }
        table
    }

    fn processes(&self, output: &Output) -> Table {
        let mut table = Table::default();
        for process in &self.processes {
            table.row([
                Cell::new(&process.id),
                Cell::new(format!("version {}", process.version)),
                Cell::new(format!("since {}", date_and_time(process.started_at, &output.zone))),
                Cell::new(if process.is_running(self.now) {
                    "running".to_owned()
                } else {
                    format!("last seen {} ago", in_words(self.now.since(process.seen_at)))
                }),
            ]);
        }
        table
    }
}

fn outcomes(total: &Summary) -> Table {
    let mut table = Table::default();
    for (kind, counts) in [("request", &total.outcomes), ("attempt", &total.attempts)] {
        for (name, count) in counts {
            table.row([Cell::new(format!("{count:>7}")), Cell::new(kind), Cell::new(name.replace('_', " "))]);
        }
    }
    table
}

fn addresses(total: &Summary) -> Table {
    let mut table = Table::default();
    for it in &total.refused_from {
        table.row([Cell::new(format!("{:>7}", it.requests)), Cell::new(&it.address)]);
    }
    table
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// Describes durations: those of half and of 99 of 100, which are known as upper bounds, and the longest.
pub(crate) fn durations(took: &Durations) -> String {
    format!("p50 at most {}, p99 at most {}, longest {}", in_words(took.p50), in_words(took.p99), in_words(took.max))
}
