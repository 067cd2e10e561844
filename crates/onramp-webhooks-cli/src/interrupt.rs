//! Ctrl-C and `SIGTERM`.

use crate::exit::CliError;

/// The signals that ask the program to stop. While this exists, they do not end the process by themselves.
pub(crate) struct Interrupts(Signals);

impl Interrupts {
    /// Starts to wait for the signals.
    pub(crate) fn listen() -> Result<Self, CliError> {
        Signals::listen().map(Self).map_err(|error| CliError::with_source("waiting for signals", &error))
    }

    /// Waits for the next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        self.0.next().await;
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
