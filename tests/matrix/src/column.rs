//! The columns: every adapter with every store.

use std::fmt;

use clap::ValueEnum;
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks_sqlite::SqliteInbox;
use onramp_webhooks_testkit::adapter::{Ground, Site, Stores};

use self::prefix::TestPrefix;
use self::schema::TestSchema;

#[path = "../../../crates/onramp-webhooks-actix/tests/conformance/serve.rs"]
mod actix;
#[path = "../../../crates/onramp-webhooks-axum/tests/conformance/serve.rs"]
mod axum;
#[path = "../../../crates/onramp-webhooks-redis/tests/it/prefix.rs"]
mod prefix;
#[path = "../../../crates/onramp-webhooks-postgres/tests/it/schema.rs"]
mod schema;
#[path = "../../../crates/onramp-webhooks-warp/tests/conformance/serve.rs"]
mod warp;

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
    /// Keeps idempotency keys only.
    Redis,
}

/// The cases about what a store of idempotency keys has to do.
const ABOUT_IDEMPOTENCY: [&str; 2] = ["idempotency::", "stopping::a_run_in_flight_is_finished_and_kept"];

impl Store {
    /// Whether a case asks anything of this store; the others are left out of its columns.
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
    /// All of them, in the order of the table.
    pub(crate) fn all() -> Vec<Self> {
        let with = |store| Adapter::value_variants().iter().map(move |adapter| Self { adapter: *adapter, store });
        Store::value_variants().iter().flat_map(|store| with(*store)).collect()
    }

    /// Where cases run.
    pub(crate) fn ground(self) -> Ground {
        let serve: fn(Site) = match self.adapter {
            Adapter::Axum => axum::serve,
            Adapter::Actix => actix::serve,
            Adapter::Warp => warp::serve,
        };
        match self.store {
            Store::Memory => Ground::new(serve, async || Stores::in_memory()),
            Store::Sqlite => Ground::new(serve, sqlite),
            Store::Postgres => Ground::new(serve, postgres),
            Store::Redis => Ground::new(serve, redis),
        }
    }
}

/// The inbox and the idempotency store in one file.
async fn sqlite() -> Stores {
    let folder = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(folder.path().join("matrix.db")).await.unwrap();
    let idempotency = inbox.idempotency_store();
    Stores::new(inbox, idempotency).keeping(folder)
}

/// The inbox and the idempotency store in one schema.
async fn postgres() -> Stores {
    let schema = TestSchema::new();
    let inbox = schema.options().await.open().await.unwrap();
    let idempotency = inbox.idempotency_store();
    Stores::new(inbox, idempotency).keeping(schema)
}

/// The idempotency store under one prefix, beside an inbox in memory.
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
