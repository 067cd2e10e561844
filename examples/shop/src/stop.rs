//! The signal to stop.

use tokio::sync::watch;

/// The first SIGTERM or SIGINT.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Starts to listen for the signals, which no longer end the process.
    pub(crate) fn on_signal() -> std::io::Result<Self> {
        let mut signals = Signals::listen()?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            tracing::info!("stopping");
            stop.send_replace(true);
            // Keeps the channel open.
            std::future::pending::<()>().await;
        });
        Ok(Self(stopped))
    }

    pub(crate) async fn stopped(mut self) {
        // The sender is never dropped while the runtime lives.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        let _ = self.0.recv().await;
    }
}
