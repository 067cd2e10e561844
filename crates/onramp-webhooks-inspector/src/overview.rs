//! The overview: what needs attention, the counts, and whether deliveries have changed. Clients share one that is at most a second old.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::StoreError;
use onramp_webhooks::attention::{Attention, Item, ItemKind, attention};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, Filter, Record, State};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::access::Caller;
use crate::builder::Settings;
use crate::inspector;
use crate::latest::Latest;
use crate::problem::Problem;
use crate::{query, view};

/// The time for which clients share an overview.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// Maximum time for which clients share an overview.
const SHARED_FOR_AT_MOST: Duration = Duration::from_secs(10);

/// The number of the newest deliveries whose changes are seen.
const WATCHED: usize = 100;

/// The data that clients share.
pub(crate) struct Overview {
    as_of: Timestamp,
    attention: Attention,
    newest: Vec<Record>,
}

impl Overview {
    async fn of(settings: &Arc<Settings>, now: Timestamp) -> Result<Self, Problem> {
        let read = async || {
            let attention = attention(&*settings.inbox, &settings.providers, now).await?;
            let newest = settings.inbox.list(Filter::all().limit(WATCHED)).await?.records;
            Ok::<_, StoreError>((attention, newest))
        };
        let (mut attention, newest) = match read().await {
            Ok(read) => read,
            Err(error) => return Err(Problem::from(error).and(spilled(settings).await)),
        };
        attention.items.splice(0..0, settings.checks.problem(settings).await);
        Ok(Self { as_of: now, attention, newest })
    }

    /// Returns the overview as `caller` sees it.
    pub(crate) fn json(&self, shared: &inspector::Shared, caller: &Caller) -> Value {
        let counts = &self.attention.counts;
        let counted = State::ALL.into_iter().filter(|state| !matches!(state, State::Handled | State::Unknown));
        let counts: Value = counted.map(|state| (state.as_str().to_owned(), json!(counts.of(state).to_string()))).collect();
        let last = self.newest.first();
        let last = last
            .map(|last| json!({ "id": last.id.to_string(), "endpoint": &*last.endpoint, "at": view::time(last.received_at) }));
        json!({
            "object": "overview",
            "title": shared.settings.title,
            "environment": shared.settings.place,
            "as_of": view::time(self.as_of),
            "caller": { "name": caller.name, "operates": shared.operates(caller).is_ok() },
            "signs_out": shared.guard.has_login(),
            "counts": counts,
            "last": last,
            "oldest_due": self.attention.oldest_due.map(view::time),
            "attention": self.attention.items.iter().map(item).collect::<Vec<_>>(),
        })
    }

    /// Returns a text that changes with what the page shows: the overview without its time, and the newest deliveries.
    pub(crate) fn version(&self) -> String {
        let Attention { items, counts, oldest_due, .. } = &self.attention;
        let mut hash = Sha256::new();
        for item in items {
            hash.update(self::item(item).to_string());
        }
        hash.update(format!("{counts:?} {oldest_due:?}"));
        for record in &self.newest {
            let Record { id, state, attempts, duplicates, due_at, settled_at, resolved_at, .. } = record;
            hash.update(format!("{id} {state:?} {attempts} {duplicates} {due_at:?} {settled_at:?} {resolved_at:?};"));
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Returns a sentence about the deliveries that wait in the spill while the inbox is away.
async fn spilled(settings: &Settings) -> Option<String> {
    let status = settings.inbox.spill_status().await.ok()??;
    (status.open_since.is_some() || status.waiting > 0)
        .then(|| format!("Events are acknowledged: {} wait in the spill, and move to the inbox by themselves.", status.waiting))
}

/// The last overview, which clients share.
pub(crate) struct Overviews(Latest<Overview>);

impl Default for Overviews {
    fn default() -> Self {
        Self(Latest::shared_for(SHARED_FOR, SHARED_FOR_AT_MOST))
    }
}

impl Overviews {
    /// Returns the overview that clients share, or makes one.
    pub(crate) async fn get(&self, settings: &Arc<Settings>) -> Result<Arc<Overview>, Problem> {
        self.0.get(settings, |settings, now| async move { Overview::of(&settings, now).await }).await
    }

    /// Makes the next overview new, after a change by an operator.
    pub(crate) fn changed(&self) {
        self.0.changed();
    }
}

/// Returns an item as JSON. Its `query` is that of the list of its deliveries.
fn item(item: &Item) -> Value {
    let Item { kind, tally, has_more, detail, filter, command, .. } = item;
    let cause = match kind {
        ItemKind::DeadLetters { cause } => *cause,
        _ => None,
    };
    json!({
        "object": "attention",
        "kind": kind.as_str(),
        "reason": cause.map(DeadCause::code),
        "title": item.title(),
        "count": tally.deliveries.to_string(),
        "has_more": has_more,
        "detail": detail,
        "command": format!("onramp-webhooks {command}"),
        "query": query::of(filter),
        "purchases": tally.purchases.to_string(),
        "unclear": tally.unclear.to_string(),
        "money": tally.money().collect::<Vec<_>>(),
        "since": tally.first.map(view::time),
        "until": tally.last.map(view::time),
        "newest": tally.newest.map(|id| id.to_string()),
    })
}
