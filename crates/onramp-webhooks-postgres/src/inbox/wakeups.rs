//! Wake-ups of workers: immediately within this inbox, and with a delay by other inboxes that share the schema.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::Error;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::db::{Database, Limit};

/// The minimum time between two notifications of other inboxes. Commits with a notification wait for each other in the whole cluster, so
/// they are rare, and none of them records a delivery.
const PAUSE: Duration = Duration::from_millis(10);

/// The time between two attempts to listen.
const AGAIN: Duration = Duration::from_secs(2);

/// The time of silence after which the listening connection is tested.
const QUIET: Duration = Duration::from_secs(20);

/// The time limit of that test.
const RESPONSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Wakeups {
    database: Database,
    /// Identifies this inbox's own notifications.
    name: Arc<str>,
    work: Arc<Notify>,
    changed: Arc<Notify>,
    _notifying: Task,
    listening: OnceLock<Task>,
}

impl Wakeups {
    /// Starts the task that notifies other inboxes. Must be called in a tokio runtime.
    pub(crate) fn start(database: Database, name: Arc<str>) -> Self {
        let (work, changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let notifying = Task(tokio::spawn(notify_others(database.clone(), Arc::clone(&name), Arc::clone(&changed))));
        Self { database, name, work, changed, _notifying: notifying, listening: OnceLock::new() }
    }

    /// Wakes workers, because a delivery may have become due.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
        self.changed.notify_one();
    }

    /// Returns when a delivery may have become due since the last return. The first call opens a listening connection outside of the
    /// pool, so an application that only receives does not have one. Behind a pooler, only a direct address has one.
    pub(crate) async fn work(&self) {
        self.listening
            .get_or_init(|| Task(tokio::spawn(listen(self.database.clone(), Arc::clone(&self.name), Arc::clone(&self.work)))));
        self.work.notified().await;
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn notify_others(database: Database, name: Arc<str>, changed: Arc<Notify>) {
    loop {
        changed.notified().await;
        let notify = |_| async {
            let mut transaction = database.begin_hasty().await?;
            let notify = database.schema.query("SELECT pg_notify($1, $2)").bind(database.schema.channel()).bind(&*name);
            notify.execute(&mut *transaction).await?;
            transaction.commit().await
        };
        if let Err(error) = database.tried_raw(Limit::Prompt, notify).await {
            tracing::debug!(%error, "could not notify other inboxes of work; they find it when they poll");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(database: Database, name: Arc<str>, work: Arc<Notify>) {
    while let Some(server) = database.unshared() {
        let hearing = async {
            if let Err(error) = hear(&server, &database.schema.channel(), &name, &work).await {
                tracing::debug!(%error, "could not listen for work of other inboxes; it is found by polling");
            }
            tokio::time::sleep(AGAIN).await;
        };
        tokio::select! {
            () = hearing => {}
            () = database.pool.close_event() => return,
        }
    }
}

/// Wakes a worker for each notification of another inbox, and after each gap in which a notification may have been missed. Returns only
/// after an error.
async fn hear(server: &PgConnectOptions, channel: &str, name: &str, work: &Notify) -> sqlx::Result<()> {
    let options = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let own = options.connect_lazy_with(server.clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(channel).await?;
    loop {
        work.notify_one();
        while let Some(notification) = next(&mut listener).await? {
            if notification.payload() != name {
                work.notify_one();
            }
        }
    }
}

/// Returns the next notification, or `None` if the connection was lost. Tests a silent connection, because it may be dead without an
/// error if the network drops all packets.
async fn next(listener: &mut PgListener) -> sqlx::Result<Option<PgNotification>> {
    loop {
        if let Ok(notification) = timeout(QUIET, listener.try_recv()).await {
            return notification;
        }
        let alive = timeout(RESPONSE, sqlx::query("SELECT 1").execute(&mut *listener)).await;
        alive.map_err(|_| Error::Protocol(format!("the server did not respond within {RESPONSE:?}")))??;
    }
}
