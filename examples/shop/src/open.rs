//! Opening the inbox, and what hangs on it, where the configuration says.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::TransactionalInbox;
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Kriptomat, Receiver, TransactionalHandler, Wert};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_sqlite::SqliteInbox;
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::config::{Config, Database};
use crate::handler::Loyalty;
use crate::points::Points;
use crate::points::postgres::PostgresPoints;
use crate::points::sqlite::SqlitePoints;

/// How long a connection to the server is waited for: less than the receiver takes for an answer.
const CONNECT: Duration = Duration::from_millis(2_500);

/// A receiver, its worker, and the points that this credits.
pub(crate) struct Opened {
    pub(crate) receiver: Receiver,
    pub(crate) worker: WorkerBuilder,
    pub(crate) points: Points,
}

pub(crate) async fn open(config: &Config) -> Result<Opened, Box<dyn Error>> {
    match &config.database {
        Database::Sqlite(file) => on_sqlite(config, file).await,
        Database::Postgres(url) => on_postgres(config, url).await,
    }
}

async fn on_sqlite(config: &Config, file: &Path) -> Result<Opened, Box<dyn Error>> {
    let inbox = SqliteInbox::open(file).await.map_err(|error| format!("{}: {error}", file.display()))?;
    let points = SqlitePoints::open(file.to_owned())?;
    let (receiver, worker) = over(config, Arc::new(inbox), Loyalty(points.clone()))?;
    Ok(Opened { receiver, worker, points: Points::Sqlite(points) })
}

async fn on_postgres(config: &Config, url: &str) -> Result<Opened, Box<dyn Error>> {
    let pool: PgPool = PgPoolOptions::new().acquire_timeout(CONNECT).connect_lazy(url)?;
    let inbox = PostgresInbox::new(pool.clone()).await?;
    let points = PostgresPoints::open(pool).await;
    let (receiver, worker) = over(config, Arc::new(inbox), Loyalty(points.clone()))?;
    Ok(Opened { receiver, worker, points: Points::Postgres(points) })
}

fn over<I, H>(config: &Config, inbox: Arc<I>, handler: H) -> Result<(Receiver, WorkerBuilder), Box<dyn Error>>
where
    I: TransactionalInbox,
    H: TransactionalHandler<I::Transaction>,
{
    let receiver = Receiver::builder(Arc::clone(&inbox))
        .endpoint(Wert::with_path_secret(&config.wert_secret))
        .endpoint(Kriptomat::allowing(config.kriptomat_allow.clone()))
        .client_ip(config.client_ip.clone())
        .build()?;
    let worker = receiver.transactional_worker(inbox, handler);
    Ok((receiver, worker))
}
