//! Opens the configured inbox, and builds the receiver and the worker.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::inbox::TransactionalInbox;
use onramp_webhooks::purchases::{KnownPurchases, PrunePurchases, PurchaseInbox, PurchaseStore};
use onramp_webhooks::spill::{SpillInbox, SpillStore};
use onramp_webhooks::{Inbox, Kriptomat, Receiver, TransactionalHandler, WorkerBuilder};
use onramp_webhooks_client::wert::{Confirmation, Reconciler};
use onramp_webhooks_postgres::PostgresInbox;
use onramp_webhooks_sqlite::{SqliteInbox, SqliteSpill};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::buy::Widgets;
use crate::config::{Config, Database};
use crate::handler::Loyalty;
use crate::points::Points;
use crate::points::postgres::PostgresPoints;
use crate::points::sqlite::SqlitePoints;
use crate::waiting::Waiting;

/// Timeout of a connection to the server: below the receiver's deadline for a response.
const CONNECT: Duration = Duration::from_millis(2_500);

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A receiver, its worker, the points, and the files to close at the end.
pub(crate) struct Opened {
    pub(crate) receiver: Receiver,
    pub(crate) worker: WorkerBuilder,
    pub(crate) points: Points,
    pub(crate) widgets: Option<Widgets>,
    pub(crate) files: Files,
}

/// The shop's SQLite files.
pub(crate) struct Files {
    inbox: Option<SqliteInbox>,
    spill: Option<SqliteSpill>,
}

impl Files {
    /// Closes the files, so that each is complete without the files beside it. The log has the reason if that fails.
    pub(crate) async fn close(self) {
        if let Some(inbox) = self.inbox {
            let _ = inbox.close().await;
        }
        if let Some(spill) = self.spill {
            let _ = spill.close().await;
        }
    }
}

pub(crate) async fn open(config: &Config) -> Result<Opened, Box<dyn Error>> {
    match &config.database {
        Database::Sqlite(file) => on_sqlite(config, file).await,
        Database::Postgres(url) => on_postgres(config, url).await,
    }
}

async fn on_sqlite(config: &Config, file: &Path) -> Result<Opened, Box<dyn Error>> {
    let inbox = SqliteInbox::open(file).await.map_err(|error| format!("DATABASE_URL: {}: {error}", file.display()))?;
    let points = SqlitePoints::open(file.to_owned())?;
    let handler = Loyalty { points: points.clone(), waiting: Waiting::new(config.buy_limit) };
    let files = Files { inbox: Some(inbox.clone()), spill: spill(config).await? };
    let (receiver, worker, widgets) = match files.spill.clone() {
        Some(spill) => over(config, SpillInbox::new(inbox, spill).await?, handler)?,
        None => over(config, inbox, handler)?,
    };
    Ok(Opened { receiver, worker, points: Points::Sqlite(points), widgets, files })
}

/// Opens the inbox on a server. With a spill, the shop starts even while the server is down, but not if the server refuses the shop.
async fn on_postgres(config: &Config, url: &str) -> Result<Opened, Box<dyn Error>> {
    // Connection poolers refuse the setting that sqlx sends for floats.
    let options = url.parse::<PgConnectOptions>().map_err(unusable)?.extra_float_digits(None);
    let pool = PgPoolOptions::new().acquire_timeout(CONNECT).connect_lazy_with(options);
    let points = PostgresPoints::new(pool.clone());
    let handler = Loyalty { points: points.clone(), waiting: Waiting::new(config.buy_limit) };
    let files = Files { inbox: None, spill: spill(config).await? };
    let (receiver, worker, widgets) = match files.spill.clone() {
        Some(spill) => {
            let inbox = SpillInbox::opening(move || PostgresInbox::new(pool.clone()), spill).await.map_err(unusable)?;
            over(config, inbox, handler)?
        }
        None => over(config, PostgresInbox::new(pool).await.map_err(unusable)?, handler)?,
    };
    Ok(Opened { receiver, worker, points: Points::Postgres(points), widgets, files })
}

fn unusable(error: impl std::fmt::Display) -> String {
    format!("DATABASE_URL: {error}")
}

/// Opens the spill, and reads it, so that an error names it rather than the database.
async fn spill(config: &Config) -> Result<Option<SqliteSpill>, Box<dyn Error>> {
    let Some(file) = &config.spill else { return Ok(None) };
    let unusable = |error| format!("SPILL: {}: {error}", file.display());
    let spill = SqliteSpill::open(file).await.map_err(unusable)?;
    spill.counts().await.map_err(unusable)?;
    Ok(Some(spill))
}

type Parts = (Receiver, WorkerBuilder, Option<Widgets>);

fn over<I, P>(config: &Config, inbox: I, handler: Loyalty<P>) -> Result<Parts, Box<dyn Error>>
where
    I: TransactionalInbox + PurchaseInbox,
    Loyalty<P>: TransactionalHandler<I::Transaction>,
{
    let inbox = Arc::new(inbox);
    let receiver = Receiver::builder(Arc::clone(&inbox))
        .endpoint(config.wert_endpoint.clone())
        .endpoint(Kriptomat::allowing(config.kriptomat_allow.clone()))
        .client_ip(config.client_ip.clone())
        .build()?;
    let waiting = handler.waiting.clone();
    let worker = receiver.transactional_worker(Arc::clone(&inbox), handler);
    let (worker, widgets) = with_checks(config, inbox, worker, waiting);
    Ok((receiver, worker, widgets))
}

/// Adds the checks of purchases against the providers' APIs.
fn with_checks<I: PurchaseInbox>(
    config: &Config,
    inbox: Arc<I>,
    mut worker: WorkerBuilder,
    waiting: Waiting,
) -> (WorkerBuilder, Option<Widgets>) {
    if let Some(api) = &config.wert {
        let reconciler = Reconciler::new(api.clone(), Arc::clone(&inbox) as Arc<dyn Inbox>, "wert");
        worker = worker
            .before(Confirmation::new(api.clone()))
            .periodic_task(config.reconcile.every, reconciler.grace(config.reconcile.grace));
    }
    let Some(api) = config.kriptomat.clone() else { return (worker, None) };
    let purchases: Arc<dyn PurchaseStore> = Arc::new(inbox.purchases());
    let webhook_url = config.public_url.as_ref().map(|url| format!("{}/webhooks/kriptomat", url.trim_end_matches('/')));
    let widgets = Widgets { api, purchases: Arc::clone(&purchases), webhook_url, waiting };
    let prune = PrunePurchases::new(Arc::clone(&purchases));
    (worker.before(KnownPurchases::new(purchases)).periodic_task(DAY, prune), Some(widgets))
}
