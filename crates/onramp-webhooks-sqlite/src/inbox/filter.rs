//! Filters as conditions of a statement, and as lookups in an index.

use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{Filter, Lookup, State};
use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params};

use super::state::{CONFLICT, DEAD, OPEN, REMOVED, RESOLVED, sql};
use crate::db::column::bound;

/// The maximum number of kinds of identifiers that are searched, at all endpoints.
const MOST_KINDS: usize = 1_000;

/// The conditions of a filter on a row, except those on its id.
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// The condition that a subject is about an identifier. A subject is endpoint/kind/id, and neither endpoint nor kind contains a slash.
const ABOUT: &str = "substr(d.subject, -length(?) - 1) = '/' || ?
    AND length(d.subject) - length(replace(d.subject, '/', '')) = 2 + length(?) - length(replace(?, '/', ''))";

impl Conditions {
    pub(super) fn of(filter: &Filter) -> Self {
        let mut all = Self { sql: format!("d.state <> {REMOVED}"), values: Vec::new() };
        if !filter.states.is_empty() {
            let later = if filter.states.contains(&State::Unknown) { format!(" OR d.state > {CONFLICT}") } else { String::new() };
            let values = filter.states.iter().map(|state| Value::from(i64::from(state.as_u8())));
            all.add(&format!("(d.state IN ({}){later})", vec!["?"; filter.states.len()].join(", ")), values);
        }
        let text = |wanted: &Option<String>| wanted.clone().map(Value::from);
        all.add_if("d.endpoint = ?", text(&filter.endpoint));
        all.add_if("d.provider = ?", filter.provider.as_ref().map(|provider| Value::from(provider.as_str().to_owned())));
        all.add_if("d.event_type = ?", text(&filter.event_type));
        all.add_if("d.subject = ?", text(&filter.order));
        all.add_if("d.cause = ?", filter.cause.map(|cause| Value::from(i64::from(cause.as_u8()))));
        all.add_if("instr(d.note, ?) > 0", text(&filter.error));
        all.add_if("d.received_at >= ?", filter.since.map(|since| Value::from(since.as_millis())));
        all.add_if("d.received_at < ?", filter.until.map(|until| Value::from(until.as_millis())));
        if filter.cause.is_some() {
            all.add(&format!("d.state = {DEAD}"), []);
        }
        if let Some(resolved) = filter.resolved {
            all.add(&format!("{}{}", if resolved { "" } else { "NOT " }, *RESOLVED), []);
        }
        if let Some(id) = &filter.about {
            let values = DedupKey::stored_ids(id).into_iter().flat_map(|id| std::iter::repeat_n(Value::from(id), 4));
            all.add(&format!("({ABOUT} OR {ABOUT})"), values);
        }
        if let Some(key) = &filter.key {
            let halves = [key.subject(), key.discriminator()].map(|half| Value::from(half.to_owned()));
            all.add("d.subject = ? AND d.discriminator = ?", halves);
        }
        all
    }

    fn add_if(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.add(condition, [value]);
        }
    }

    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

const WITH_KEY: &str = "SELECT id FROM onramp_deliveries WHERE subject = ? AND discriminator = ?";
const OF_ORDER: &str = "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_key WHERE subject = ? LIMIT ?";
const DUE: &str = "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_due WHERE due_at IS NOT NULL LIMIT ?";
const WAITING_BEHIND: &str =
    "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_behind WHERE waits_at IS NOT NULL LIMIT ?";
sql!(UNRESOLVED = "SELECT id FROM onramp_deliveries INDEXED BY onramp_deliveries_open WHERE {OPEN} LIMIT ?", OPEN = OPEN);

/// Returns the ids of the deliveries that may match `filter`, in any sequence, by an index. Returns `None` if all have to be looked at.
pub(super) fn candidates(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<Vec<i64>>> {
    let most = filter.most_searched();
    let mut found = Vec::new();
    let mut add = |statement: &str, value: Option<&dyn ToSql>| -> rusqlite::Result<()> {
        let limit = bound(most + 1 - found.len().min(most));
        let values: Vec<&dyn ToSql> = value.into_iter().chain([&limit as &dyn ToSql]).collect();
        let mut statement = connection.prepare_cached(statement)?;
        let mut ids = statement.query_map(&*values, |row| row.get(0))?;
        ids.try_for_each(|id| id.map(|id: i64| found.push(id)))
    };
    match filter.lookup() {
        Lookup::Key(key) => {
            let mut statement = connection.prepare_cached(WITH_KEY)?;
            let ids = statement.query_map(params![key.subject(), key.discriminator()], |row| row.get(0))?;
            return ids.collect::<rusqlite::Result<_>>().map(Some);
        }
        Lookup::Order(subject) => add(OF_ORDER, Some(&subject))?,
        Lookup::About(id) => {
            let Some(prefixes) = prefixes(connection)? else { return Ok(None) };
            let ids = DedupKey::stored_ids(id);
            for subject in prefixes.iter().flat_map(|prefix| ids.iter().map(move |id| format!("{prefix}{id}"))) {
                add(OF_ORDER, Some(&subject))?;
            }
        }
        Lookup::Open { waiting, unresolved } => {
            let indexes = [(waiting, DUE), (waiting, WAITING_BEHIND), (unresolved, UNRESOLVED.as_str())];
            indexes.into_iter().filter(|(is_read, _)| *is_read).try_for_each(|(_, index)| add(index, None))?;
        }
        _ => return Ok(None),
    }
    Ok(Some(found).filter(|found| found.len() <= most))
}

const NEXT_SUBJECT: &str = "SELECT min(subject) FROM onramp_deliveries INDEXED BY onramp_deliveries_key WHERE subject >= ?";

/// Returns the beginnings "endpoint/kind/" of the subjects, each once, or `None` if there are very many. Looks at one subject of each.
fn prefixes(connection: &Connection) -> rusqlite::Result<Option<Vec<String>>> {
    let mut next = connection.prepare_cached(NEXT_SUBJECT)?;
    let (mut prefixes, mut from) = (Vec::new(), String::new());
    for _ in 0..MOST_KINDS {
        let Some(subject) = next.query_row([&from], |row| row.get::<_, Option<String>>(0))? else { return Ok(Some(prefixes)) };
        match subject.match_indices('/').nth(1).and_then(|(end, _)| subject.get(..end)) {
            Some(kind) => {
                // The character after a slash is a zero.
                from = format!("{kind}0");
                prefixes.push(format!("{kind}/"));
            }
            None => from = format!("{subject}\0"),
        }
    }
    Ok(None)
}
