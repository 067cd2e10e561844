//! From the environment to the exit code.

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

/// A worker that was killed holds its deliveries this long; they are handled in far less.
const LEASE: Duration = Duration::from_secs(5);

/// After the signal to stop, requests have this long: more than the receiver takes for one.
const REQUEST_GRACE: Duration = Duration::from_millis(4_500);

/// Then handlers have this long.
const HANDLER_GRACE: Duration = Duration::from_secs(2);

/// And then, whatever is still open, the shop ends within ten seconds of the signal. What was not finished was recorded, and is
/// handled at the next start.
const WORKER_GRACE: Duration = Duration::from_secs(4);

/// Runs the shop until it is told to stop. `serve` is the framework's part: it serves on the shop's listener until the shop has
/// [stopped](Shop::stopped).
///
/// Exits with 2 when the environment is wrong, and with 1 when anything else fails.
pub fn run<E: Into<Box<dyn Error>>>(serve: impl AsyncFnOnce(Shop) -> Result<(), E>) -> ExitCode {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
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
    // A thread that waits for the database holds nothing up.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error, 1),
    }
}

/// Tells a person, who may not be reading any more.
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
    let Opened { receiver, worker, points, widgets } = open(&config).await?;
    let (listener, address) = bind(config.listen).await?;
    let shop = Shop { receiver, points, widgets, listener: Arc::new(Mutex::new(Some(listener))), stop: stop.clone() };
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
    served
}

async fn bind(address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("LISTEN: {address}: {error}"))?.into_std()?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn finish(worker: Worker) {
    if timeout(WORKER_GRACE, worker.shutdown()).await.is_err() {
        tracing::warn!("the inbox does not answer; what was not finished is handled at the next start");
    }
}
