//! Sending: some units of work at the same time, and the requests of each one after another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use onramp_webhooks::provider::{Acknowledgement, Facts};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::rate::Turns;
use super::source::{Broken, Shot, Source};
use super::tally::{Failure, Tally};
use crate::exit::{CliError, ExitStatus};
use crate::http::{HttpClient, Payload};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::text::Line;

/// The number of pieces of a slow body, and the time that they take. A receiver gives a body 3 s.
const SLOW: (u32, Duration) = (20, Duration::from_secs(2));

/// The pause between two updates of the progress bar.
const UPDATE: Duration = Duration::from_millis(100);

/// The settings of a run.
pub(crate) struct Sending {
    pub(crate) client: HttpClient,
    pub(crate) uri: Uri,
    pub(crate) facts: Facts,
    pub(crate) is_forged: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) turns: Turns,
    pub(crate) source: Mutex<Source>,
    /// Writes a line for each request.
    pub(crate) lines: Option<Output>,
    pub(crate) sent: AtomicU64,
}

/// The end of a run.
pub(crate) struct Sent {
    pub(crate) tally: Tally,
    pub(crate) is_interrupted: bool,
}

/// Sends all requests. After Ctrl-C, the requests that are on their way are finished; after a second one, nothing is.
pub(crate) async fn all(
    sending: Sending,
    at_once: usize,
    mut interrupts: Interrupts,
    progress: impl Fn(u64),
) -> Result<Sent, ExitStatus> {
    let sending = Arc::new(sending);
    let (stop, stopped) = watch::channel(false);
    let mut senders = JoinSet::new();
    for _ in 0..at_once {
        senders.spawn(Arc::clone(&sending).units(stopped.clone()));
    }
    let mut tally = Tally::default();
    loop {
        tokio::select! {
            ended = senders.join_next() => match ended {
                Some(Ok(part)) => tally.merge(part),
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
                None => break,
            },
            () = sleep(UPDATE) => progress(sending.sent.load(Ordering::Relaxed)),
            () = interrupts.next() => {
                if stop.send_replace(true) {
                    return Err(ExitStatus::Interrupted);
                }
            }
        }
    }
    let is_interrupted = *stop.borrow();
    Ok(Sent { tally, is_interrupted })
}

impl Sending {
    /// Sends units until there are no more, or until it is stopped.
    async fn units(self: Arc<Self>, mut stopped: watch::Receiver<bool>) -> Tally {
        let mut tally = Tally::default();
        while let Some(unit) = self.next() {
            for shot in unit {
                let its_time = async {
                    // Even no time would last until the next tick of the timer, a millisecond later.
                    if !shot.pause.is_zero() {
                        sleep(shot.pause).await;
                    }
                    self.turns.take().await;
                };
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stopped| *stopped) => return tally,
                    () = its_time => {}
                }
                if let Err(error) = self.send(shot, &mut tally).await {
                    tally.output_failed(error);
                    return tally;
                }
            }
        }
        tally
    }

    fn next(&self) -> Option<Vec<Shot>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    async fn send(&self, shot: Shot, tally: &mut Tally) -> Result<(), CliError> {
        let begun = Instant::now();
        let payload = match self.broken {
            Some(Broken::Slow) => Payload::trickling(shot.body, SLOW.0, SLOW.1),
            _ => Payload::new(shot.body),
        };
        let request = self.client.post(self.uri.clone(), headers(shot.content_type), payload);
        let result = match timeout(self.facts.answer_within, request).await {
            Ok(Ok(answer)) if self.is_right(answer.status) => Ok(answer.status),
            Ok(Ok(answer)) => Err(Failure::Status(answer.status)),
            Ok(Err(error)) if error.is_connect() => Err(Failure::NoConnection(error.to_string())),
            Ok(Err(error)) => Err(Failure::BrokenOff(error.to_string())),
            Err(_) => Err(Failure::Late),
        };
        let took = begun.elapsed();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let line = self.lines.as_ref().map(|output| output.line(&line(&shot.event_type, &result, took)));
        tally.add(result.map(drop), took, shot.purchase.filter(|_| !self.is_forged));
        line.unwrap_or(Ok(()))
    }

    /// Returns whether a status is the one that the provider needs, or, for a request that has to be refused, a refusal.
    fn is_right(&self, status: u16) -> bool {
        let is_junk = matches!(self.broken, Some(Broken::Truncated | Broken::NotJson | Broken::TooLarge));
        match self.facts.acknowledgement {
            _ if self.is_forged => (400..500).contains(&status),
            Acknowledgement::Always => status == 200,
            _ if is_junk => (200..500).contains(&status),
            _ => (200..300).contains(&status),
        }
    }
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("onramp-webhooks-trigger/", env!("CARGO_PKG_VERSION"))));
    headers
}

fn line(event_type: &str, result: &Result<u16, Failure>, took: Duration) -> Line {
    let line = Line::new().text(format_args!("{event_type:<26}  "));
    match result {
        Ok(status) => line.text(format_args!("{status} in {} ms", took.as_millis())),
        Err(failure) => line.styled(crate::output::RED, failure),
    }
}
