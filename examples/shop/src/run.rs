//! The life of the process.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use onramp_webhooks::Worker;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::open::{Opened, open};
use crate::stop::Stop;
use crate::{Config, Shop, output};

/// The lease of a delivery. Deliveries that were leased before a crash wait for the lease to expire. A handler takes much less time.
const LEASE: Duration = Duration::from_secs(5);

/// The time for open requests after the signal to stop. It exceeds the receiver's deadline for a request.
const REQUEST_GRACE: Duration = Duration::from_millis(4_500);

/// The time for running handlers after that.
const HANDLER_GRACE: Duration = Duration::from_secs(2);

/// Limit for the whole shutdown of the worker, so that the shop ends within ten seconds of the signal. Unfinished deliveries are handled
/// after the next start.
const WORKER_GRACE: Duration = Duration::from_secs(4);

/// Limit for closing the files after that.
const FILE_GRACE: Duration = Duration::from_secs(1);

/// Runs the shop until it gets a signal to stop. `serve` serves the routes on the shop's listener until the shop is
/// [stopped](Shop::stopped).
///
/// Returns the exit code 2 if the environment is invalid, and 1 after any other failure.
pub fn run<E: Into<Box<dyn Error>>>(serve: impl AsyncFnOnce(Shop) -> Result<(), E>) -> ExitCode {
    // actix writes a line for each malformed request, with which strangers could fill the disk.
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| "info,actix_http::h1::dispatcher=off".to_owned());
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse_lossy(filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return fail(&error, 2),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    let ended = runtime.block_on(open_and_serve(config, serve));
    // A thread that waits for the database does not delay the exit.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error, 1),
    }
}

/// Prints an error with its sources. Standard error may be closed.
fn fail(error: &dyn Error, code: u8) -> ExitCode {
    let mut message = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}

async fn open_and_serve<E, S>(config: Config, serve: S) -> Result<(), Box<dyn Error>>
where
    E: Into<Box<dyn Error>>,
    S: AsyncFnOnce(Shop) -> Result<(), E>,
{
    let stop = Stop::on_signal()?;
    let Opened { receiver, worker, points, widgets, files } = open(&config).await?;
    let (listener, address) = bind(config.listen).await?;
    let (listener, proxies) = (Arc::new(Mutex::new(Some(listener))), config.proxy_protocol);
    let shop = Shop { receiver, points, widgets, listener, proxies, stop: stop.clone() };
    output::listening(address);
    let worker = config.handles.then(|| worker.lease(LEASE).grace(HANDLER_GRACE).spawn());
    let served = tokio::select! {
        served = serve(shop) => served.map_err(Into::into),
        () = async { stop.stopped().await; sleep(REQUEST_GRACE).await } => {
            tracing::warn!("closing connections that are still open");
            Ok(())
        }
    };
    if let Some(worker) = worker {
        finish(worker).await;
    }
    if timeout(FILE_GRACE, files.close()).await.is_err() {
        tracing::warn!("the database file is in use; keep the files beside it");
    }
    served
}

async fn bind(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("LISTEN: {address}: {error}"))?.into_std()?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn finish(worker: Worker) {
    if timeout(WORKER_GRACE, worker.shutdown()).await.is_err() {
        tracing::warn!("the inbox does not respond; unfinished deliveries are handled after the next start");
    }
}
