//! A machine that receives Wert's events, and its senders.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::inbox::{Filter, Inbox, Record, State};
use onramp_webhooks::spill::{SpillInbox, SpillOptions};
use onramp_webhooks::{Receiver, Wert};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_services::Postgres;
use onramp_webhooks_sqlite::SqliteSpill;
use onramp_webhooks_testkit::events::WertOrder;
use tokio::task::{JoinSet, block_in_place};

use crate::tools::until;

/// A server of the test's own, and where it is.
pub(crate) fn server() -> (Postgres, SocketAddr) {
    let server = block_in_place(Postgres::start).unwrap();
    let address = server.url().split(['@', '/']).nth(3).unwrap().parse().unwrap();
    (server, address)
}

/// The events of an order, as they are sent one after the other.
const LIFE: [&str; 3] = ["payment_started", "transfer_started", "order_complete"];

pub(crate) struct Host {
    pub(crate) inbox: SpillInbox<PostgresInbox>,
    receiver: Receiver,
}

impl Host {
    pub(crate) async fn start(server: SocketAddr, spill: &Path) -> Self {
        Self::with(server, SpillOptions::new(SqliteSpill::open(spill).await.unwrap())).await
    }

    pub(crate) async fn with(server: SocketAddr, options: SpillOptions) -> Self {
        let url = format!("postgres://postgres@{server}/postgres");
        let open = move || {
            let url = url.clone();
            async move { PostgresInbox::connect(&url).await }
        };
        let inbox = options.opening(open).await.unwrap();
        let receiver = Receiver::builder(inbox.clone()).endpoint(Wert::without_path_secret()).build().unwrap();
        Self { inbox, receiver }
    }

    pub(crate) async fn post(&self, body: Bytes) -> u16 {
        self.receiver.receive(&Request::new("POST", "/wert", None, &[]), Full::new(body)).await.status()
    }

    pub(crate) async fn is_open(&self) -> bool {
        self.inbox.status().await.unwrap().open_since.is_some()
    }

    pub(crate) async fn opens(&self) {
        until("the breaker opens", async || self.is_open().await).await;
    }

    /// Returns when the primary inbox is asked again. Events can wait in the spill, and the breaker can open again if the server is slow.
    pub(crate) async fn recovers(&self) {
        until("the breaker closes", async || !self.is_open().await).await;
    }

    /// Returns when the primary inbox has all, and is asked again. Senders must have stopped.
    pub(crate) async fn closes(&self) {
        let closed = async || {
            let status = self.inbox.status().await.unwrap();
            status.open_since.is_none() && status.waiting == 0
        };
        until("the breaker closes", closed).await;
    }

    /// All that the primary inbox has, the oldest first.
    pub(crate) async fn kept(&self) -> Vec<Record> {
        let mut kept = self.inbox.list(Filter::all().limit(1_000_000)).await.unwrap().records;
        kept.reverse();
        kept
    }

    /// Asserts that the primary inbox has all events of these orders once and in order, and nothing else.
    pub(crate) async fn has(&self, orders: &[WertOrder]) {
        let kept = self.kept().await;
        let mut by_order: HashMap<_, Vec<_>> = HashMap::new();
        for record in &kept {
            let subject = record.key.as_ref().unwrap().subject();
            by_order.entry(subject.rsplit('/').next().unwrap()).or_default().push(record.event_type.as_deref().unwrap());
        }
        for order in orders {
            let id = order.id().unwrap();
            assert_eq!(by_order.get(id).map(Vec::as_slice), Some(&LIFE[..]), "{id}");
        }
        assert_eq!(kept.len(), orders.len() * LIFE.len());
        assert!(kept.iter().all(|record| record.state == State::Pending));
    }
}

/// Callers that send lives of orders until they are stopped; each event to every one of the hosts.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    callers: JoinSet<(Vec<WertOrder>, Vec<Duration>)>,
}

impl Traffic {
    pub(crate) fn to(hosts: &[&Arc<Host>], callers: usize) -> Self {
        let hosts: Vec<_> = hosts.iter().map(|host| Arc::clone(host)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let call = |_| call(hosts.clone(), Arc::clone(&stop));
        Self { callers: (0..callers).map(call).collect(), stop }
    }

    /// Waits for every caller to end, and returns the sent orders and the durations of all responses.
    pub(crate) async fn stop(self) -> (Vec<WertOrder>, Vec<Duration>) {
        self.stop.store(true, Ordering::Relaxed);
        let (orders, took): (Vec<_>, Vec<_>) = self.callers.join_all().await.into_iter().unzip();
        (orders.concat(), took.concat())
    }
}

async fn call(hosts: Vec<Arc<Host>>, stop: Arc<AtomicBool>) -> (Vec<WertOrder>, Vec<Duration>) {
    let (mut orders, mut took) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let order = WertOrder::new();
        for event_type in LIFE {
            for host in &hosts {
                let begun = Instant::now();
                assert_eq!(host.post(order.event(event_type)).await, 200);
                took.push(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        orders.push(order);
    }
    (orders, took)
}

/// Asserts that no request took much longer than the patience, and few that long.
pub(crate) fn hardly_waited(took: &[Duration], outages: usize, callers: usize) {
    let longest = took.iter().max().unwrap();
    assert!(*longest < Duration::from_millis(2_500), "{longest:?}");
    let slow = took.iter().filter(|took| **took > Duration::from_millis(500)).count();
    assert!(slow <= 4 * outages * callers, "{slow} of {} answers took long", took.len());
    println!("{} answers, {slow} slow ones, the longest {longest:?}", took.len());
}
