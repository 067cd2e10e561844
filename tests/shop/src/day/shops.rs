//! The shops of a day: two processes that share a database, which moves once.

use std::sync::{Arc, Mutex};

use fastrand::Rng;
use onramp_webhooks_services::{Postgres, ServiceError};
use onramp_webhooks_testkit::provider::FakeProvider;

use crate::client::Client;
use crate::home::{Home, Subject};
use crate::launch::Launch;
use crate::shop::ShopProcess;

const SHOPS: usize = 2;

/// The address from which Kriptomat sends.
pub(super) const KRIPTOMAT: &str = "174.138.2.203";

/// Two shops, and the server of their database unless it is a file.
pub(super) struct Shops {
    pub(super) home: Home,
    server: Option<Postgres>,
    members: Vec<ShopProcess>,
    /// The addresses of the members.
    pub(super) clients: Arc<Mutex<Vec<Client>>>,
    environment: Vec<(&'static str, String)>,
}

impl Shops {
    pub(super) async fn open(subject: Subject, environment: Vec<(&'static str, String)>) -> Self {
        let server = subject.is_on_postgres().then(|| blocking(Postgres::start));
        let home = match &server {
            Some(server) => Home::on_server(subject, server.url()),
            None => Home::of(subject),
        };
        let mut shops = Self { home, server, members: Vec::new(), clients: Arc::default(), environment };
        shops.start().await;
        shops
    }

    async fn start(&mut self) {
        for _ in 0..SHOPS {
            self.members.push(self.launch().start().await);
        }
        self.publish();
    }

    fn launch(&self) -> Launch {
        let launch =
            self.home.launch().env("KRIPTOMAT_ALLOW", KRIPTOMAT).env("TRUSTED_PROXIES", "127.0.0.1").env("RUST_LOG", "warn");
        self.environment.iter().fold(launch, |launch, (variable, value)| launch.env(variable, value))
    }

    fn publish(&self) {
        *self.clients.lock().unwrap() = self.members.iter().map(|shop| shop.client.clone()).collect();
    }

    /// Kills a shop in whatever it does, and starts another one.
    pub(super) async fn kill_one(&mut self, random: &mut Rng) {
        let _ = self.members.swap_remove(random.usize(0..SHOPS)).kill();
        self.members.push(self.launch().start().await);
        self.publish();
    }

    /// Crashes the server of the database and starts it again, or kills all shops if the database is a file.
    pub(super) async fn crash_the_database(&mut self) {
        if let Some(server) = &mut self.server {
            blocking(|| server.stop_immediate());
            blocking(|| server.start_again());
            return;
        }
        let killed: Vec<_> = self.members.drain(..).map(ShopProcess::kill).collect();
        assert_eq!(killed.len(), SHOPS);
        self.start().await;
    }

    /// Moves the database while the shops are stopped: its file to another folder, or a dump to another server.
    pub(super) async fn move_the_database(&mut self) {
        self.stop().await;
        let Some(old) = &mut self.server else {
            self.home.move_file();
            return self.start().await;
        };
        let new = blocking(Postgres::start);
        let from = self.home.url();
        let emptied = self.home.move_to_server(new.url());
        // The client programs do not know the parameters of sqlx.
        let [from, to] = [&from, &self.home.url()].map(|url| url.split('?').next().unwrap().to_owned());
        blocking(|| old.copy_database(&from, &to));
        drop(emptied);
        self.server = Some(new);
        self.start().await;
    }

    /// Stops the shops gracefully.
    pub(super) async fn stop(&mut self) {
        for shop in self.members.drain(..) {
            shop.stop().await;
        }
    }
}

/// Returns the environment of a shop that asks the providers' APIs.
pub(super) fn asking(provider: &FakeProvider, reconcile_every: usize) -> Vec<(&'static str, String)> {
    vec![
        ("WERT_API_KEY", FakeProvider::API_KEY.to_owned()),
        ("WERT_API_URL", provider.url()),
        ("RECONCILE_EVERY", reconcile_every.to_string()),
        ("RECONCILE_GRACE", "2".to_owned()),
        ("KRIPTOMAT_TOKEN", FakeProvider::TOKEN.to_owned()),
        ("KRIPTOMAT_API_URL", provider.url()),
        ("PUBLIC_URL", "https://shop.example".to_owned()),
        // Each process counts the purchases that another one handles for an hour.
        ("BUY_LIMIT", "1000000".to_owned()),
    ]
}

pub(super) fn blocking<T>(work: impl FnOnce() -> Result<T, ServiceError>) -> T {
    tokio::task::block_in_place(work).unwrap()
}
