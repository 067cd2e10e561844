//! Who waits for work is told of it: at once by this very inbox, soon by the others who share the schema.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::Error;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::database::{Database, Limit};

/// The others are told at most once in this time. Commits with a notification wait for each other in the whole cluster, so they are few,
/// and none of them carries a delivery.
const PAUSE: Duration = Duration::from_millis(10);

/// Between two attempts to listen.
const AGAIN: Duration = Duration::from_secs(2);

/// After so much silence the listening connection is asked for a sign of life.
const QUIET: Duration = Duration::from_secs(20);

/// For which it has so long.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Waking {
    database: Database,
    /// Tells our own notifications from the others'.
    name: Arc<str>,
    work: Arc<Notify>,
    tell: Arc<Notify>,
    _telling: Task,
    listening: OnceLock<Task>,
}

impl Waking {
    /// Has to be called in a runtime of tokio.
    pub(crate) fn start(database: Database, name: Arc<str>) -> Self {
        let (work, tell) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let telling = Task(tokio::spawn(tell_others(database.clone(), Arc::clone(&name), Arc::clone(&tell))));
        Self { database, name, work, tell, _telling: telling, listening: OnceLock::new() }
    }

    /// Something may have fallen due.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
        self.tell.notify_one();
    }

    /// Returns when something may have fallen due since the last return. Only an inbox that is waited for listens, on a connection of
    /// its own: an application that only receives needs none, and a small pool loses none.
    pub(crate) async fn work(&self) {
        self.listening
            .get_or_init(|| Task(tokio::spawn(listen(self.database.clone(), Arc::clone(&self.name), Arc::clone(&self.work)))));
        self.work.notified().await;
    }
}

/// Ends with whoever started it.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn tell_others(database: Database, name: Arc<str>, tell: Arc<Notify>) {
    loop {
        tell.notified().await;
        let told = |_| async {
            let mut transaction = database.begin_hasty().await?;
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(database.schema.channel())
                .bind(&*name)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        if let Err(error) = database.tried_raw(Limit::Prompt, told).await {
            tracing::debug!(%error, "the others were not told of work; they find it when they look");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(database: Database, name: Arc<str>, work: Arc<Notify>) {
    loop {
        let hearing = async {
            if let Err(error) = hear(&database, &name, &work).await {
                tracing::debug!(%error, "does not hear of work that others record; it is found by looking");
            }
            tokio::time::sleep(AGAIN).await;
        };
        tokio::select! {
            () = hearing => {}
            () = database.pool.close_event() => return,
        }
    }
}

/// Wakes whoever waits when others tell of work, and when they may have done so while nobody listened. Returns only with an error.
async fn hear(database: &Database, name: &str, work: &Notify) -> sqlx::Result<()> {
    let options = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let own = options.connect_lazy_with(database.pool.connect_options().as_ref().clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(&database.schema.channel()).await?;
    loop {
        work.notify_one();
        while let Some(told) = next(&mut listener).await? {
            if told.payload() != name {
                work.notify_one();
            }
        }
    }
}

/// The next notification; `None` when the connection was lost. One that says nothing for long is asked whether it still lives: a
/// network that swallows everything looks like a quiet one.
async fn next(listener: &mut PgListener) -> sqlx::Result<Option<PgNotification>> {
    loop {
        if let Ok(told) = timeout(QUIET, listener.try_recv()).await {
            return told;
        }
        let lives = timeout(ANSWER, sqlx::query("SELECT 1").execute(&mut *listener)).await;
        lives.map_err(|_| Error::Protocol(format!("no answer within {ANSWER:?}")))??;
    }
}
