//! Traffic and endpoints as JSON. Clients share one reading of each time span for some seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::traffic::{Process, Report, Traffic, Window, processes, report};
use onramp_webhooks::watchdog::{EndpointStatus, Verdict, endpoints};
use serde_json::{Value, json};

use crate::builder::Settings;
use crate::latest::Latest;
use crate::problem::Problem;
use crate::view;

/// The time for which clients share a report.
const SHARED_FOR: Duration = Duration::from_secs(5);

/// Maximum time for which clients share a report.
const SHARED_FOR_AT_MOST: Duration = Duration::from_secs(60);

/// The provider whose orders `onramp-webhooks reconcile` compares.
const RECONCILED: &str = "wert";

/// Reads the time span of a query. Without one it is a day.
pub(crate) fn window(query: Option<&str>) -> Result<Window, Problem> {
    let mut window = Window::Day;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "span" => {
                window = value.parse().map_err(|error| Problem::bad_request(format!("The parameter \"span\": {error}.")))?
            }
            _ => return Err(Problem::bad_request(format!("There is no parameter {name:?}."))),
        }
    }
    Ok(window)
}

/// The last report of each time span.
pub(crate) struct Reports(Vec<(Window, Latest<Seen>)>);

impl Default for Reports {
    fn default() -> Self {
        Self(Window::ALL.map(|window| (window, Latest::shared_for(SHARED_FOR, SHARED_FOR_AT_MOST))).into())
    }
}

impl Reports {
    /// Returns the report that clients share, or makes one.
    pub(crate) async fn get(&self, settings: &Arc<Settings>, window: Window) -> Result<Arc<Seen>, Problem> {
        let latest = self.0.iter().find(|(of, _)| *of == window).map(|(_, latest)| latest).ok_or_else(Problem::internal)?;
        latest.get(settings, |settings, now| async move { Seen::of(&settings, window, now).await }).await
    }
}

/// The traffic of a time span, and the processes at its end.
pub(crate) struct Seen {
    as_of: Timestamp,
    report: Report,
    processes: Vec<Process>,
    /// The endpoints of the receiver of each process, as they were at its last sign of life.
    reported: Vec<Vec<EndpointStatus>>,
}

impl Seen {
    async fn of(settings: &Settings, window: Window, now: Timestamp) -> Result<Self, Problem> {
        let report = report(&*settings.inbox, window, now).await?;
        let processes = processes(&*settings.inbox).await?;
        let reported = processes.iter().map(|process| endpoints(std::slice::from_ref(process), process.seen_at)).collect();
        Ok(Self { as_of: now, report, processes, reported })
    }

    /// Returns the traffic. Addresses of clients are personal data, which operators see.
    pub(crate) fn traffic(&self, with_addresses: bool) -> Value {
        let Self { as_of, report, processes, reported } = self;
        let mut total = figures(&report.total());
        if !with_addresses && let Some(addresses) = total.get_mut("refused_from") {
            *addresses = Value::Null;
        }
        let steps = report.steps();
        let steps =
            steps.iter().enumerate().map(|(step, traffic)| with(figures_only(traffic), "at", json!(view::time(report.at(step)))));
        let by_endpoint = report.endpoints.keys().map(|name| with(figures_only(&report.of(name)), "name", json!(name)));
        json!({
            "object": "traffic",
            "as_of": view::time(*as_of),
            "span": report.window.as_str(),
            "since": view::time(report.since),
            "step": report.window.step().as_secs(),
            "total": total,
            "steps": steps.collect::<Vec<_>>(),
            "endpoints": by_endpoint.collect::<Vec<_>>(),
            "processes": processes.iter().zip(reported).rev().map(|(it, has)| process(it, has, *as_of)).collect::<Vec<_>>(),
        })
    }

    /// Returns the status of each endpoint, with what it received.
    pub(crate) fn endpoints(&self) -> Value {
        let statuses = endpoints(&self.processes, self.as_of);
        let running: BTreeSet<&str> = statuses.iter().map(|status| &*status.name).collect();
        // The process that was seen last comes last.
        let last: BTreeMap<&str, _> = self.reported.iter().flatten().map(|status| (&*status.name, status)).collect();
        let has_traffic = |name: &&str| self.report.of(name) != Traffic::default();
        let names = self.report.endpoints.keys().map(String::as_str).filter(|name| !name.is_empty()).filter(has_traffic);
        let ended: BTreeSet<&str> = names.chain(last.keys().copied()).filter(|name| !running.contains(name)).collect();
        let ended = ended.into_iter().map(|name| self.endpoint(name, None, last.get(name).copied()));
        let running = statuses.iter().map(|status| self.endpoint(&status.name, Some(status), Some(status)));
        let mut data: Vec<_> = running.chain(ended).collect();
        data.sort_by(|one, other| name(one).cmp(name(other)));
        json!({ "object": "list", "as_of": view::time(self.as_of), "data": data })
    }

    /// Returns an endpoint with the status that running receivers report, and the last one that is known.
    fn endpoint(&self, name: &str, current: Option<&EndpointStatus>, last: Option<&EndpointStatus>) -> Value {
        let traffic = self.report.of(name);
        let runs = self.processes.iter().zip(&self.reported).filter(|(process, _)| process.is_running(self.as_of));
        let receivers: Vec<_> =
            runs.filter(|(_, has)| has.iter().any(|status| &*status.name == name)).map(|(process, _)| &*process.id).collect();
        let count = |count: fn(&EndpointStatus) -> u64| current.map(count);
        json!({
            "object": "endpoint",
            "name": name,
            "provider": last.map(|status| status.provider.as_str()),
            "verdict": current.map(|status| status.verdict.as_str()),
            "advice": current.and_then(|status| status.advice.as_deref()),
            "last_received": last.and_then(|status| status.last_received).map(view::time),
            "silent_after": last.and_then(|status| status.silent_after).map(|time| time.as_secs()),
            "quarantined_purchases": count(|status| status.quarantined_purchases),
            "refused_in_a_row": count(|status| status.refused_in_a_row.into()),
            "refused_last_day": count(|status| status.refused_last_day),
            "unlisted": count(|status| status.unlisted.into()),
            "wrong_secrets": count(|status| status.wrong_secrets.into()),
            "received": traffic.received(),
            "refused": traffic.refused(),
            "receivers": receivers,
            "commands": current.map(commands).unwrap_or_default(),
        })
    }
}

/// Returns the commands that find the cause of an alarm, and the orders whose events are missing.
fn commands(status: &EndpointStatus) -> Vec<String> {
    if !matches!(status.verdict, Verdict::Refusing | Verdict::Silent) {
        return Vec::new();
    }
    let name = quoted(&status.name);
    let mut commands = vec![format!("onramp-webhooks doctor --endpoint {name}")];
    if status.provider.as_str() == RECONCILED {
        let since = status.last_received.map(|last| format!(" --since {}", view::time(last))).unwrap_or_default();
        commands.push(format!("onramp-webhooks reconcile --endpoint {name}{since}"));
    }
    commands
}

/// Quotes a name for a shell, unless it has only the characters of an endpoint's name.
fn quoted(name: &str) -> String {
    match !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

fn name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn process(process: &Process, endpoints: &[EndpointStatus], now: Timestamp) -> Value {
    let Process { id, version, started_at, seen_at, .. } = process;
    let endpoints: Vec<_> = endpoints.iter().map(|status| &*status.name).collect();
    json!({
        "object": "process",
        "id": id,
        "version": version,
        "started_at": view::time(*started_at),
        "seen_at": view::time(*seen_at),
        "running": process.is_running(now),
        "endpoints": endpoints,
    })
}

fn figures(traffic: &Traffic) -> Value {
    serde_json::to_value(traffic.summary()).unwrap_or_default()
}

/// Returns the figures without addresses.
fn figures_only(traffic: &Traffic) -> Value {
    let mut figures = figures(traffic);
    if let Some(figures) = figures.as_object_mut() {
        figures.remove("refused_from");
    }
    figures
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
    object
}
