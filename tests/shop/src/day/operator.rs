//! The operator, who has the inbox and the provider's API.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::Inbox;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::inbox::{DeliveryId, Filter, ReplayScope, Replayed, State, list_all, replay};
use onramp_webhooks::provider::Providers;
use onramp_webhooks_client::wert::{ReconcileRun, Reconciler, Summary, WertDataApi, Window};
use onramp_webhooks_postgres::PostgresOptions;
use onramp_webhooks_sqlite::SqliteOptions;
use onramp_webhooks_testkit::provider::FakeProvider;
use sqlx::PgPool;

use super::post::{Event, Receipt};
use super::world::now;
use crate::home::Home;

/// The length of a hash in a fingerprint, which a digest of the money follows.
const HASH: usize = 24;

/// The pause after a failure of the API.
const PAUSE: Duration = Duration::from_millis(200);

/// The tools of an operator.
pub(super) struct Operator {
    inbox: Arc<dyn Inbox>,
    reconciler: Reconciler,
    /// The beginning of the day.
    since: Timestamp,
}

/// The deliveries in an inbox, by the hashes of their bodies.
pub(super) struct Deliveries {
    by_body: HashMap<[u8; HASH], (DeliveryId, State)>,
    /// The keys of the deliveries that a reconciliation created.
    synthetic: HashSet<String>,
}

impl Operator {
    pub(super) async fn at(home: &Home, provider: &FakeProvider, since: Timestamp) -> Self {
        let url = home.url();
        let inbox: Arc<dyn Inbox> = match url.strip_prefix("sqlite://") {
            Some(file) => Arc::new(SqliteOptions::new(Path::new(file)).must_exist().open().await.unwrap()),
            None => Arc::new(PostgresOptions::new(PgPool::connect(&url).await.unwrap()).must_exist().open().await.unwrap()),
        };
        let api = WertDataApi::at(provider.url(), FakeProvider::API_KEY).build().unwrap();
        let reconciler = Reconciler::new(api, Arc::clone(&inbox), "wert").grace(Duration::ZERO).max_findings(usize::MAX);
        Self { inbox, reconciler, since }
    }

    /// Compares the day's orders with the inbox.
    pub(super) async fn report(&self) -> Summary {
        finish(self.reconciler.report(Window::new(self.since, now()))).await
    }

    /// Repairs the orders whose events are missing.
    pub(super) async fn repair(&self) -> Summary {
        finish(self.reconciler.repair(Window::new(self.since, now()))).await
    }

    pub(super) async fn deliveries(&self) -> Deliveries {
        let all = list_all(&*self.inbox, Filter::all().limit(1_000)).await.unwrap();
        let synthetic = all.iter().filter(|record| record.is_synthetic());
        Deliveries {
            by_body: all.iter().map(|record| (hash(&record.fingerprint), (record.id, record.state))).collect(),
            synthetic: synthetic.filter_map(|record| Some(record.key.as_ref()?.to_string())).collect(),
        }
    }

    /// Has a conflict handled, after the operator has seen that it is the true event.
    pub(super) async fn replay(&self, delivery: DeliveryId) {
        let replayed = replay(&*self.inbox, &Providers::default(), delivery, ReplayScope::EvenConflicts, now()).await.unwrap();
        assert_eq!(replayed, Replayed::Due);
    }
}

impl Deliveries {
    /// Returns the first delivery with this body.
    pub(super) fn of(&self, event: &Event) -> Option<(DeliveryId, State)> {
        self.by_body.get(&hash(&Fingerprint::of(&event.body))).copied()
    }

    /// Returns whether an acknowledged event is in the inbox: with its body, or counted as a duplicate of what a reconciliation
    /// created before.
    pub(super) fn has(&self, receipt: &Receipt) -> bool {
        let is_synthetic = || receipt.key.as_ref().is_some_and(|key| self.synthetic.contains(key));
        self.by_body.contains_key(&hash(&receipt.fingerprint)) || is_synthetic()
    }
}

/// Continues a run after each failure of the API.
async fn finish(mut run: ReconcileRun) -> Summary {
    while run.finish().await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
    run.summary().clone()
}

fn hash(fingerprint: &Fingerprint) -> [u8; HASH] {
    std::array::from_fn(|at| fingerprint.as_bytes()[at])
}

/// Returns the findings of a summary by their orders.
pub(super) fn findings(summary: &Summary) -> BTreeMap<String, String> {
    let kind = |finding| serde_json::to_value(finding).unwrap()["finding"].as_str().unwrap().to_owned();
    summary.findings.iter().map(|finding| (finding.order().as_str().to_owned(), kind(finding))).collect()
}
