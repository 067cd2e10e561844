//! Results that clients share, so that many pages read the inbox as often as one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use onramp_webhooks::clock::Timestamp;

use crate::builder::Settings;
use crate::problem::Problem;

/// The number of times that a result is shared for as long as it took, so that clients never keep the store busy.
const TIMES_ITS_COST: u32 = 10;

/// The time for which clients share an error, so that the page is back soon after the inbox.
const ERROR_SHARED_FOR: Duration = Duration::from_secs(1);

/// The last result, and the time for which clients share it. One that took long to make is shared for longer.
pub(crate) struct Latest<T> {
    shortest: Duration,
    longest: Duration,
    last: Mutex<Option<Run<T>>>,
    /// The number of changes by operators.
    changes: AtomicU64,
}

/// The making of a result.
struct Run<T> {
    changes: u64,
    made: Shared<BoxFuture<'static, Made<T>>>,
}

/// A result, and the times between which it is shared.
struct Made<T> {
    at: Timestamp,
    until: Timestamp,
    result: Result<Arc<T>, Problem>,
}

impl<T> Clone for Made<T> {
    fn clone(&self) -> Self {
        Self { at: self.at, until: self.until, result: self.result.clone() }
    }
}

impl<T: Send + Sync + 'static> Latest<T> {
    pub(crate) fn shared_for(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, last: Mutex::default(), changes: AtomicU64::default() }
    }

    /// Returns the result that clients share, or makes one. Only one is made at a time, also if clients go away meanwhile.
    pub(crate) async fn get<F>(
        &self,
        settings: &Arc<Settings>,
        make: impl FnOnce(Arc<Settings>, Timestamp) -> F,
    ) -> Result<Arc<T>, Problem>
    where
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let made = {
            let (now, changes) = (settings.clock.now(), self.changes.load(Ordering::SeqCst));
            let is_current = |made: &Made<T>| (made.at..made.until).contains(&now);
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            match last.as_ref().filter(|run| run.changes == changes && run.made.peek().is_none_or(is_current)) {
                Some(run) => run.made.clone(),
                None => last.insert(Run { changes, made: self.run(settings, now, make(Arc::clone(settings), now)) }).made.clone(),
            }
        };
        made.await.result
    }

    /// Makes the next result new, after a change by an operator.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Makes a result in a task, so that a client that goes away leaves no query open.
    fn run<F>(&self, settings: &Arc<Settings>, started: Timestamp, make: F) -> Shared<BoxFuture<'static, Made<T>>>
    where
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let (shortest, longest) = (self.shortest, self.longest);
        let clock = Arc::clone(&settings.clock);
        let ended = {
            let clock = Arc::clone(&clock);
            move || Made { at: clock.now(), until: clock.now(), result: Err(Problem::internal()) }
        };
        let task = tokio::spawn(async move {
            let result = make.await.map(Arc::new);
            let at = clock.now();
            let shared_for = match &result {
                Ok(_) => (at.since(started) * TIMES_ITS_COST).clamp(shortest, longest),
                Err(_) => shortest.min(ERROR_SHARED_FOR),
            };
            Made { at, until: at.after(shared_for), result }
        });
        task.map(move |made| made.unwrap_or_else(|_| ended())).boxed().shared()
    }
}
