//! The processes of a soak: receivers with spills on a small disk, and workers, behind a pooler in front of one database.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks_services::{Ballast, PgBouncer, PgBouncerOptions, Postgres, PostgresOptions, ServiceError, SmallDisk};
use rustix::process::Signal;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, raw_sql};

use super::super::shops::{KRIPTOMAT, blocking};
use super::usages::Usages;
use crate::client::Client;
use crate::home::{Home, Subject};
use crate::launch::Launch;
use crate::shop::{Ended, ShopProcess};
use crate::wait::until;

/// The number of shops that only receive, and the number of shops that handle. The first of each live from the beginning to the
/// end, so that what they leak adds up.
const RECEIVERS: usize = 3;
const WORKERS: usize = 4;

/// The time for which a worker is frozen, which exceeds the lease of the shops.
const FROZEN: Duration = Duration::from_secs(7);

/// The size of the disk. The spills and their logs keep the space that they once had, and the more the longer the database was away.
const DISK: &str = "64m";

/// The processes, and the servers and files that they use. The fields are dropped in this order.
pub(super) struct Fleet {
    members: Vec<ShopProcess>,
    pub(super) clients: Arc<Mutex<Vec<Client>>>,
    pub(super) home: Home,
    pooler: PgBouncer,
    server: Postgres,
    disk: SmallDisk,
    environment: Vec<(&'static str, String)>,
    /// The ids of the deliveries that were handled by processes that have ended.
    pub(super) handled: Vec<String>,
}

/// A way to end a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// With SIGKILL.
    Kill,
    /// With SIGTERM.
    Stop,
}

impl Fleet {
    pub(super) async fn start(subject: Subject, environment: Vec<(&'static str, String)>) -> Self {
        let disk = blocking(|| SmallDisk::mount(DISK));
        let server = blocking(|| PostgresOptions::new().start());
        let home = Home::on_server(subject, server.url());
        let pooler = PgBouncerOptions::transaction_mode().setting("server_login_retry", 1);
        let pooler = blocking(|| pooler.start(&home.url()));
        let clients = Arc::default();
        let mut fleet = Self { members: Vec::new(), clients, home, pooler, server, disk, environment, handled: Vec::new() };
        for number in 0..RECEIVERS + WORKERS {
            fleet.members.push(fleet.launch(number).start().await);
        }
        fleet.publish();
        fleet
    }

    fn launch(&self, number: usize) -> Launch {
        let launch = self.home.launch().env("DATABASE_URL", &self.pooler.url()).env("KRIPTOMAT_ALLOW", KRIPTOMAT);
        let launch = launch.env("TRUSTED_PROXIES", "127.0.0.1").env("RUST_LOG", "warn");
        let launch = self.environment.iter().fold(launch, |launch, (variable, value)| launch.env(variable, value));
        if number >= RECEIVERS {
            return launch;
        }
        let spill = self.disk.path().join(format!("spill-{number}.db"));
        launch.env("HANDLE", "no").env("SPILL", &format!("sqlite://{}", spill.display()))
    }

    fn publish(&self) {
        *self.clients.lock().unwrap() = self.receivers().map(|shop| shop.client.clone()).collect();
    }

    fn receivers(&self) -> impl Iterator<Item = &ShopProcess> {
        self.members.iter().take(RECEIVERS)
    }

    pub(super) fn names() -> Vec<String> {
        let receivers = (1..=RECEIVERS).map(|number| format!("receiver {number}"));
        receivers.chain((1..=WORKERS).map(|number| format!("worker {number}"))).collect()
    }

    pub(super) fn measure(&self, at: Duration, usages: &mut Usages) {
        self.members.iter().enumerate().for_each(|(number, shop)| usages.add(at, number, shop.usage()));
    }

    /// Ends a receiver other than the first, and starts another one in its place.
    pub(super) async fn replace_a_receiver(&mut self, ending: Ending, random: &mut Rng) {
        self.replace(random.usize(1..RECEIVERS), ending).await;
    }

    /// Ends a worker other than the first, and starts another one in its place.
    pub(super) async fn replace_a_worker(&mut self, ending: Ending, random: &mut Rng) {
        self.replace(random.usize(RECEIVERS + 1..RECEIVERS + WORKERS), ending).await;
    }

    async fn replace(&mut self, number: usize, ending: Ending) {
        let shop = self.members.remove(number);
        let ended = match ending {
            Ending::Kill => shop.kill(),
            Ending::Stop => shop.stop().await,
        };
        self.add_handled(&ended);
        self.members.insert(number, self.launch(number).start().await);
        self.publish();
    }

    /// Freezes a worker until the leases of its deliveries have expired.
    pub(super) async fn freeze_a_worker(&self, random: &mut Rng) {
        let worker = &self.members[random.usize(RECEIVERS..RECEIVERS + WORKERS)];
        worker.signal(Signal::STOP);
        tokio::time::sleep(FROZEN).await;
        worker.signal(Signal::CONT);
    }

    pub(super) fn database(&mut self, change: impl FnOnce(&mut Postgres) -> Result<(), ServiceError>) {
        blocking(|| change(&mut self.server));
    }

    pub(super) fn restart_pooler(&mut self) {
        blocking(|| self.pooler.restart());
    }

    /// Waits until the database responds behind the pooler.
    pub(super) async fn responds(&self) {
        let options = self.pooler.url().parse::<PgConnectOptions>().unwrap().extra_float_digits(None);
        let responds = async || raw_sql("SELECT 1").execute(&mut options.connect().await?).await;
        until("the database responds behind the pooler", async || responds().await.is_ok()).await;
    }

    /// Fills the disk of the spills until the returned value is dropped.
    pub(super) fn fill_disk(&self) -> Ballast {
        blocking(|| self.disk.fill_up_to(0))
    }

    /// Returns whether every delivery in the spills has moved to the database.
    pub(super) async fn has_moved(&self) -> bool {
        for receiver in self.receivers() {
            if receiver.get("/healthz").await.json()["spill"]["waiting"] != 0 {
                return false;
            }
        }
        true
    }

    /// Stops all processes gracefully.
    pub(super) async fn stop(&mut self) {
        for shop in std::mem::take(&mut self.members) {
            let ended = shop.stop().await;
            self.add_handled(&ended);
        }
    }

    fn add_handled(&mut self, ended: &Ended) {
        let handled = ended.handled();
        self.handled.extend(handled.iter().map(|line| line["delivery"].as_str().unwrap().to_owned()));
    }
}
