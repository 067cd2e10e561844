//! A PostgreSQL server that becomes unavailable and recovers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use onramp_webhooks_services::{Postgres, ServiceError};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::event::order_complete;
use crate::home::{Home, Subject};
use crate::launch::Launch;
use crate::ledger::Ledger;
use crate::orders::Orders;
use crate::shop::ShopProcess;
use crate::wait::until;

/// The number of concurrent clients.
const CLIENTS: usize = 4;

/// A dedicated server.
struct Server(Postgres);

impl Server {
    fn start() -> Self {
        Self(tokio::task::block_in_place(Postgres::start).unwrap())
    }

    fn home(&self, subject: Subject) -> Home {
        Home::on_server(subject, self.0.url())
    }

    fn now(&mut self, change: impl FnOnce(&mut Postgres) -> Result<(), ServiceError>) {
        tokio::task::block_in_place(|| change(&mut self.0)).unwrap();
    }
}

/// Configures a shop that stores events on its own disk while the server is unavailable.
fn with_spill(home: &Home, name: &str) -> Launch {
    home.launch().env("SPILL", &format!("sqlite://{}", home.folder().join(name).display()))
}

/// The server is stopped gracefully, then crashes, and then is frozen, while clients send events continuously.
pub async fn with_a_spill_wert_sees_nothing_but_200(subject: Subject) {
    let mut server = Server::start();
    let home = server.home(subject);
    let shop = with_spill(&home, "spill.db").start().await;
    let senders = Senders::start(&shop);
    let ledger = Arc::clone(&senders.ledger);
    let more = async |events: usize| {
        let enough = ledger.acknowledged_events() + events;
        until("more events are acknowledged", async || ledger.acknowledged_events() >= enough).await;
    };
    more(20).await;
    server.now(Postgres::restart);
    more(20).await;
    server.now(Postgres::stop_immediate);
    more(20).await;
    server.now(Postgres::start_again);
    more(20).await;
    server.now(|server| server.freeze());
    more(20).await;
    server.now(|server| server.thaw());
    more(20).await;
    senders.stop().await;
    until("the spill is empty again", async || home.database().deliveries() >= ledger.acknowledged_events()).await;
    home.database().settled().await;
    ledger.assert_kept(&home);
    assert_eq!(home.database().deliveries(), home.database().points().len());
    shop.stop().await;
}

/// The machine restarts during the outage. Its shop receives immediately, and still has the deliveries that were spilled before.
pub async fn with_a_spill_a_shop_starts_during_the_outage(subject: Subject) {
    let mut server = Server::start();
    let home = server.home(subject);
    server.now(Postgres::stop_fast);
    let shop = with_spill(&home, "spill.db").start().await;
    for order in 0..10 {
        shop.wert(order_complete(&order.to_string(), "ada", "0.1")).await.assert_received();
    }
    assert_eq!(shop.get("/healthz").await.status, 200, "a shop that can receive events must stay in service");
    assert!(shop.kill().handled().is_empty());
    let shop = with_spill(&home, "spill.db").start().await;
    for order in 5..20 {
        shop.wert(order_complete(&order.to_string(), "ada", "0.1")).await.assert_received();
    }
    server.now(Postgres::start_again);
    shop.has_handled(20).await;
    home.database().settled().await;
    assert_eq!(shop.points("ada").await, "2");
    assert_eq!(shop.stop().await.handled().len(), 20);
    assert_eq!(home.database().deliveries(), 20);
}

/// Two machines with separate spills both receive every event during the outage.
pub async fn what_two_shops_spilled_is_handled_once(subject: Subject) {
    let mut server = Server::start();
    let home = server.home(subject);
    let (one, other) = (with_spill(&home, "one.db").start().await, with_spill(&home, "other.db").start().await);
    server.now(Postgres::stop_immediate);
    for order in 0..30 {
        let event = order_complete(&order.to_string(), "ada", "0.1");
        let (here, there) = tokio::join!(one.wert(event.clone()), other.wert(event));
        here.assert_received();
        there.assert_received();
    }
    server.now(Postgres::start_again);
    until("all is moved and handled", async || one.handled().len() + other.handled().len() >= 30).await;
    home.database().settled().await;
    assert_eq!((one.points("ada").await, other.points("ada").await), ("3".to_owned(), "3".to_owned()));
    assert_eq!(one.stop().await.handled().len() + other.stop().await.handled().len(), 30);
    assert_eq!(home.database().deliveries(), 30);
}

/// The shop only acknowledges stored events, and recovers by itself.
pub async fn without_a_spill_nothing_is_acknowledged_meanwhile(subject: Subject) {
    let mut server = Server::start();
    let home = server.home(subject);
    let shop = home.start().await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    let outages: [(Change, Change); 2] =
        [(Postgres::stop_immediate, Postgres::start_again), (|server| server.freeze(), |server| server.thaw())];
    for (away, back) in outages {
        server.now(away);
        assert_eq!(orders.send(&shop).await.status, 503);
        assert_eq!(shop.get("/healthz").await.status, 503);
        server.now(back);
        orders.recover(&shop).await;
    }
    orders.assert_kept(&home).await;
    shop.stop().await;
}

type Change = fn(&mut Postgres) -> Result<(), ServiceError>;

/// Clients that send continuously, and expect a 200 in time for every event.
struct Senders {
    clients: JoinSet<()>,
    ledger: Arc<Ledger>,
    stopped: Arc<AtomicBool>,
}

impl Senders {
    fn start(shop: &ShopProcess) -> Self {
        let (ledger, stopped) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(send(shop.client.clone(), Arc::clone(&ledger), Arc::clone(&stopped)));
        }
        Self { clients, ledger, stopped }
    }

    async fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

async fn send(shop: Client, ledger: Arc<Ledger>, stopped: Arc<AtomicBool>) {
    let mut random = Rng::new();
    while !stopped.load(Ordering::Relaxed) {
        let event = if random.u8(0..4) == 0 { ledger.again(&mut random) } else { ledger.new_event(&mut random) };
        let begun = Instant::now();
        event.send(&shop).await.unwrap().assert_received();
        assert!(begun.elapsed() < Duration::from_secs(5), "Wert waits 5 s, and the response took {:?}", begun.elapsed());
        ledger.acknowledged(event.number);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
