//! The inbox, over the application's pool.

mod claim;
mod filter;
mod fronts;
mod history;
mod lock;
mod prune;
mod query;
mod queue;
mod record;
mod requeue;
mod resolve;
mod restore;
mod settle;
mod space;
mod state;
mod task;
mod transaction;
mod wakeups;
mod writer;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, QuarantineBound, Record,
    Recorded, Replayed, Requeue, Restored, Retention, Settlement, Space, TaskState,
};
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore};

use self::fronts::Fronts;
pub use self::transaction::PostgresTransaction;
use self::wakeups::Wakeups;
use self::writer::Writer;
use crate::db::{Database, Limit, connect};
use crate::{PostgresIdempotencyStore, PostgresOptions, PostgresPurchaseStore};

/// The number of connections in the pool that handlers' transactions leave free for the receiver, the worker and the application.
const KEPT_FREE: u32 = 3;

/// An [`Inbox`] in one schema of a PostgreSQL database.
///
/// Any number of inboxes, on any number of machines, may share a schema. A call that writes returns after its commit has reached the
/// server's disk. See the [guarantees](crate#guarantees) for time limits and repeated calls.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), onramp_webhooks::StoreError> {
/// use onramp_webhooks_postgres::PostgresInbox;
///
/// let inbox = PostgresInbox::connect("postgres://shop@db.example/shop").await?;
/// # Ok(())
/// # }
/// ```
pub struct PostgresInbox {
    database: Database,
    wakeups: Arc<Wakeups>,
    fronts: Arc<Fronts>,
    /// One permit for each transaction that handlers may have open at the same time.
    transactions: Arc<Semaphore>,
    writer: Writer,
    ends: Arc<Notify>,
}

impl PostgresInbox {
    /// Opens the inbox in the schema `onramp` of the application's own pool.
    ///
    /// # Errors
    /// Returns the errors of [`PostgresOptions::open`].
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        PostgresOptions::new(pool).open().await
    }

    /// Connects a pool to `url`, such as `postgres://user:password@host/database`, and opens the inbox in its schema `onramp`.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid or the server cannot be reached, and the errors of [`PostgresOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::new(connect(url).await?).await
    }

    pub(crate) async fn start(database: Database, bound: QuarantineBound) -> Result<Self, StoreError> {
        let name = database.tried("open the database", Limit::Prompt, |_| unique_name(&database)).await?;
        let wakeups = Arc::new(Wakeups::start(database.clone(), name.into()));
        let fronts = Arc::new(Fronts::default());
        let has_tls = database.has_tls().await;
        let writer = Writer::start(database.clone(), bound, Arc::clone(&wakeups), Arc::clone(&fronts), has_tls);
        let transactions = database.pool.options().get_max_connections().saturating_sub(KEPT_FREE).max(1);
        let transactions = Arc::new(Semaphore::new(usize::try_from(transactions).unwrap_or(1)));
        Ok(Self { database, wakeups, fronts, transactions, writer, ends: Arc::default() })
    }

    /// Returns a store of idempotency keys in the same schema. It outlives the inbox.
    #[must_use]
    pub fn idempotency_store(&self) -> PostgresIdempotencyStore {
        PostgresIdempotencyStore::of(self.database.clone(), Arc::clone(&self.ends))
    }

    /// Returns a store of purchases in the same schema. It outlives the inbox.
    #[must_use]
    pub fn purchases(&self) -> PostgresPurchaseStore {
        PostgresPurchaseStore::of(self.database.clone())
    }
}

async fn unique_name(database: &Database) -> sqlx::Result<String> {
    let mut transaction = database.begin_reading().await?;
    let name = database.schema.scalar("SELECT gen_random_uuid()::text").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(name)
}

#[async_trait]
impl Inbox for PostgresInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.writer.record(delivery).await
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        let request = &request;
        let claim = |_| async move {
            let mut transaction = self.database.begin_alone_by_index("claim").await?;
            let claims = claim::claim(&mut transaction, &self.database.schema, now, request, &self.fronts).await?;
            transaction.commit().await?;
            Ok(claims)
        };
        self.database.tried("claim deliveries", Limit::Patient, claim).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let leases = &*leases;
        let renew = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let lost = claim::renew(&mut transaction, &self.database.schema, leases, until).await?;
            transaction.commit().await?;
            Ok(lost)
        };
        self.database.tried("renew leases", Limit::Prompt, renew).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let settlements = &*settlements;
        let settle = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let lost = settle::settle(&mut transaction, &self.database.schema, now, settlements).await?;
            transaction.commit().await?;
            Ok(lost)
        };
        let lost = self.database.tried("settle deliveries", Limit::Prompt, settle).await?;
        self.fronts.ended(settlements.iter().map(|settlement| settlement.lease.id));
        self.wakeups.wake();
        Ok(lost)
    }

    async fn wait_for_work(&self) {
        self.wakeups.work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        let write = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let probe = self.database.schema.query("UPDATE onramp.probe SET writes = writes + 1");
            probe.execute(&mut *transaction).await?;
            transaction.commit().await
        };
        self.database.tried("write to the database", Limit::Prompt, write).await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        let filter = &filter;
        let list = |_| async move {
            let mut transaction = self.database.begin_query().await?;
            let page = query::list(&mut transaction, &self.database.schema, filter).await?;
            transaction.commit().await?;
            Ok(page)
        };
        self.database.tried("read the database", Limit::Patient, list).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        let show = |_| async move {
            let mut transaction = self.database.begin_reading().await?;
            let record = query::show(&mut transaction, &self.database.schema, id).await?;
            transaction.commit().await?;
            Ok(record)
        };
        self.database.tried("read the database", Limit::Patient, show).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let count = |_| async move {
            let mut transaction = self.database.begin_reading().await?;
            let counts = query::counts(&mut transaction, &self.database.schema).await?;
            transaction.commit().await?;
            Ok(counts)
        };
        self.database.tried("read the database", Limit::Patient, count).await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        let count = |_| async move {
            let mut transaction = self.database.begin_query().await?;
            let counts = query::open_counts(&mut transaction, &self.database.schema).await?;
            transaction.commit().await?;
            Ok(counts)
        };
        self.database.tried("read the database", Limit::Patient, count).await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        let resolve = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let resolved = resolve::resolve(&mut transaction, &self.database.schema, now, id, note).await?;
            transaction.commit().await?;
            Ok(resolved)
        };
        self.database.tried("resolve", Limit::Prompt, resolve).await?
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        let reopen = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let reopened = resolve::reopen(&mut transaction, &self.database.schema, now, id).await?;
            transaction.commit().await?;
            Ok(reopened)
        };
        self.database.tried("reopen", Limit::Prompt, reopen).await?
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        let read = |_| async move {
            let mut transaction = self.database.begin_query().await?;
            let history = history::read(&mut transaction, &self.database.schema, id).await?;
            transaction.commit().await?;
            Ok(history)
        };
        self.database.tried("read the database", Limit::Patient, read).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        let reveal = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let revealed = history::revealed(&mut transaction, &self.database.schema, now, id, operator).await?;
            transaction.commit().await?;
            Ok(revealed)
        };
        self.database.tried("write to the database", Limit::Prompt, reveal).await?
    }

    async fn restore(&self, deliveries: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        let deliveries = &*deliveries;
        let restore = |_| async move {
            let mut transaction = self.database.begin_batch().await?;
            let restored = restore::restore(&mut transaction, &self.database.schema, deliveries).await?;
            transaction.commit().await?;
            Ok(restored)
        };
        let restored = self.database.tried("restore", Limit::Patient, restore).await??;
        self.fronts.forget();
        self.wakeups.wake();
        Ok(restored)
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        let request = &request;
        let requeue = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let replayed = requeue::requeue(&mut transaction, &self.database.schema, request).await?;
            transaction.commit().await?;
            Ok(replayed)
        };
        let replayed = self.database.tried("replay", Limit::Prompt, requeue).await??;
        self.fronts.revived(request.id);
        self.wakeups.wake();
        Ok(replayed)
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        let prune = |_| async move {
            let mut transaction = self.database.begin(Limit::Patient).await?;
            let pruned = prune::prune(&mut transaction, &self.database.schema, now, retention).await?;
            transaction.commit().await?;
            Ok(pruned)
        };
        self.database.tried("prune deliveries", Limit::Patient, prune).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        let forget = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let forgotten = prune::forget(&mut transaction, &self.database.schema, id).await?;
            transaction.commit().await?;
            Ok(forgotten)
        };
        self.database.tried("forget", Limit::Prompt, forget).await?
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        let state = |_| async move {
            let mut transaction = self.database.begin_reading().await?;
            let state = task::state(&mut transaction, &self.database.schema, task).await?;
            transaction.commit().await?;
            Ok(state)
        };
        self.database.tried("read the database", Limit::Patient, state).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        let state = &state;
        let set = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let is_set = task::set_state(&mut transaction, &self.database.schema, state).await?;
            transaction.commit().await?;
            Ok(is_set)
        };
        self.database.tried("store the state of a task", Limit::Prompt, set).await
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        let read = |_| async move {
            let mut transaction = self.database.begin_query().await?;
            let space = space::space(&mut transaction, &self.database.schema).await?;
            transaction.commit().await?;
            Ok(Some(space))
        };
        self.database.tried("read the size of the tables", Limit::Patient, read).await
    }
}

impl fmt::Debug for PostgresInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresInbox").field("schema", &self.database.schema.name()).finish_non_exhaustive()
    }
}
