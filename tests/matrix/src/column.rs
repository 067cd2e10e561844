//! The columns: every adapter with every store.

use std::fmt;

use clap::ValueEnum;
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_suite::postgres::TestSchema;
use onramp_webhooks_suite::redis::TestPrefix;
use onramp_webhooks_suite::serve;
use onramp_webhooks_testkit::adapter::{Setup, Site, Stores};

/// An adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    Axum,
    Actix,
    Warp,
}

/// A store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Memory,
    Sqlite,
    Postgres,
    /// Stores idempotency keys only.
    Redis,
}

/// Beginnings of the names of the cases that need a store of idempotency keys.
const ABOUT_IDEMPOTENCY: [&str; 2] = ["idempotency::", "stopping::a_run_in_flight_is_finished_and_kept"];

impl Store {
    /// Returns whether a case tests this store. Other cases are skipped in its columns.
    pub(crate) fn is_asked_by(self, case: &str) -> bool {
        self != Self::Redis || ABOUT_IDEMPOTENCY.iter().any(|about| case.starts_with(about))
    }
}

/// An adapter with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) adapter: Adapter,
    pub(crate) store: Store,
}

impl Column {
    /// Returns all columns, in the order of the table.
    pub(crate) fn all() -> Vec<Self> {
        let with = |store| Adapter::value_variants().iter().map(move |adapter| Self { adapter: *adapter, store });
        Store::value_variants().iter().flat_map(|store| with(*store)).collect()
    }

    /// Returns the setup of the cases.
    pub(crate) fn setup(self) -> Setup {
        let served: fn(Site) = match self.adapter {
            Adapter::Axum => serve::axum::serve,
            Adapter::Actix => serve::actix::serve,
            Adapter::Warp => serve::warp::serve,
        };
        match self.store {
            Store::Memory => Setup::in_memory(served),
            Store::Sqlite => Setup::new(served, sqlite),
            Store::Postgres => Setup::new(served, postgres),
            Store::Redis => Setup::new(served, redis),
        }
    }
}

/// Opens the inbox and the idempotency store in one file.
async fn sqlite() -> Stores {
    let folder = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(folder.path().join("matrix.db")).await.unwrap();
    let idempotency = inbox.idempotency_store();
    Stores::new(inbox, idempotency).keeping(folder)
}

/// Opens the inbox and the idempotency store in one schema.
async fn postgres() -> Stores {
    let schema = TestSchema::new();
    let inbox = schema.options().await.open().await.unwrap();
    let idempotency = inbox.idempotency_store();
    Stores::new(inbox, idempotency).keeping(schema)
}

/// Opens the idempotency store under one prefix, and an inbox in memory.
async fn redis() -> Stores {
    let prefix = TestPrefix::new();
    let idempotency = prefix.open().await;
    Stores::new(MemoryInbox::new(), idempotency).keeping(prefix)
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned()).unwrap_or_default();
        write!(f, "{} {}", name(self.adapter.to_possible_value()), name(self.store.to_possible_value()))
    }
}
