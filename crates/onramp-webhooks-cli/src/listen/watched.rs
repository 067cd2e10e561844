//! An inbox that reports every delivery, and every end of a lease.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onramp_webhooks::clock::{Clock, SystemClock, Timestamp};
use onramp_webhooks::inbox::{
    ClaimRequest, Claims, Counts, DeliveryId, Filter, HistoryEntry, Inbox, Lease, NewDelivery, Page, Record, Recorded, Replayed,
    Requeue, Restored, Retention, Settlement, Space, SpillStatus, TaskState,
};
use onramp_webhooks::{StoreError, async_trait};
use tokio::time::Instant;

use super::describe::Described;
use super::feed::Feed;
use super::notice::{Attempt, Notice, Received};
use super::pace::Pace;

tokio::task_local! {
    /// The delivery of the request that the task answers.
    static RECEIVED: RefCell<Option<Recording>>;
}

/// A delivery that is being recorded.
struct Recording {
    /// `None` if its line is left out.
    event: Option<Box<Described>>,
    recorded: Option<Recorded>,
}

/// Reports what happens in an inbox. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reporter {
    feed: Feed,
    shared: Arc<Mutex<Reports>>,
}

#[derive(Default)]
struct Reports {
    /// Attempts whose end is not settled yet.
    attempts: HashMap<DeliveryId, Attempt>,
    /// Deliveries whose request is not answered yet, with the events that follow the answer.
    unanswered: HashMap<DeliveryId, Vec<Notice>>,
}

impl Reporter {
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed, shared: Arc::default() }
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an attempt until its end is settled.
    pub(super) fn attempted(&self, id: DeliveryId, attempt: Attempt) {
        self.reports().attempts.insert(id, attempt);
    }

    /// Answers a request with `answer`, and reports the delivery that it recorded.
    pub(super) async fn answer<T>(&self, answer: impl Future<Output = T>, status: impl Fn(&T) -> u16) -> T {
        let begun = Instant::now();
        let answering = async {
            // If the sender goes away, the request is dropped here, and its delivery is reported nevertheless.
            let request = Unanswered { reporter: self, begun };
            let answer = answer.await;
            request.answered(status(&answer));
            answer
        };
        RECEIVED.scope(RefCell::new(None), answering).await
    }

    /// Keeps the delivery of the current request. Does nothing outside of requests.
    fn recording(&self, delivery: &NewDelivery) {
        let event = || self.feed.has_room().then(|| Box::new(Described::new(delivery)));
        let _ = RECEIVED.try_with(|cell| cell.replace(Some(Recording { event: event(), recorded: None })));
    }

    fn recorded(&self, recorded: Recorded) {
        let is_shown = RECEIVED.try_with(|cell| {
            let mut received = cell.borrow_mut();
            received.as_mut().is_some_and(|received| {
                received.recorded = Some(recorded);
                received.event.is_some()
            })
        });
        // What follows a line that is left out need not wait for it.
        if let (Ok(true), Recorded::New(id)) = (is_shown, recorded) {
            self.reports().unanswered.insert(id, Vec::new());
        }
    }

    fn settled(&self, now: Timestamp, settlements: Vec<Settlement>, lost: &[Lease]) {
        let mut reports = self.reports();
        for Settlement { lease, outcome, .. } in settlements {
            let attempt = reports.attempts.remove(&lease.id);
            if lost.contains(&lease) {
                continue;
            }
            let notice = Notice::Settled { time: now, id: lease.id, outcome, attempt };
            match reports.unanswered.get_mut(&lease.id) {
                Some(following) => following.push(notice),
                None => self.feed.send(notice),
            }
        }
    }

    /// Reports the end of a request, and the events that were waiting for it.
    fn ended(&self, received: Option<Recording>, status: Option<u16>, took: Duration) {
        let recorded = received.as_ref().and_then(|received| received.recorded);
        let answered = |received| Notice::Answered { time: SystemClock::default().now(), received, status, took };
        match received {
            None => self.feed.send(answered(None)),
            Some(Recording { event: Some(event), .. }) => self.feed.send(answered(Some(Received { event, recorded }))),
            Some(Recording { event: None, .. }) => return self.feed.leave_out(),
        }
        if let Some(Recorded::New(id)) = recorded {
            let following = self.reports().unanswered.remove(&id);
            following.into_iter().flatten().for_each(|notice| self.feed.send(notice));
        }
    }
}

/// A request that is not answered yet.
struct Unanswered<'a> {
    reporter: &'a Reporter,
    begun: Instant,
}

impl Unanswered<'_> {
    fn answered(self, status: u16) {
        let received = RECEIVED.with(RefCell::take);
        self.reporter.ended(received, Some(status), self.begun.elapsed());
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let received = RECEIVED.try_with(RefCell::take).ok().flatten();
        if received.as_ref().is_some_and(|received| received.recorded.is_some()) {
            self.reporter.ended(received, None, self.begun.elapsed());
        }
    }
}

/// An inbox whose calls are reported.
pub(super) struct WatchedInbox {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) reporter: Reporter,
    pub(super) pace: Pace,
}

impl fmt::Debug for WatchedInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inbox.fmt(f)
    }
}

#[async_trait]
impl Inbox for WatchedInbox {
    async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        self.pace.received();
        self.reporter.recording(&delivery);
        let recorded = self.inbox.record(delivery).await?;
        self.reporter.recorded(recorded);
        Ok(recorded)
    }

    async fn claim(&self, now: Timestamp, request: ClaimRequest) -> Result<Claims, StoreError> {
        self.pace.calm().await;
        self.inbox.claim(now, request).await
    }

    async fn renew(&self, leases: Vec<Lease>, until: Timestamp) -> Result<Vec<Lease>, StoreError> {
        self.inbox.renew(leases, until).await
    }

    async fn settle(&self, now: Timestamp, settlements: Vec<Settlement>) -> Result<Vec<Lease>, StoreError> {
        let lost = self.inbox.settle(now, settlements.clone()).await?;
        self.reporter.settled(now, settlements, &lost);
        Ok(lost)
    }

    async fn wait_for_work(&self) {
        self.inbox.wait_for_work().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inbox.check().await
    }

    async fn list(&self, filter: Filter) -> Result<Page, StoreError> {
        self.inbox.list(filter).await
    }

    async fn show(&self, id: DeliveryId) -> Result<Option<Record>, StoreError> {
        self.inbox.show(id).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.inbox.counts().await
    }

    async fn open_counts(&self) -> Result<Counts, StoreError> {
        self.inbox.open_counts().await
    }

    async fn resolve(&self, now: Timestamp, id: DeliveryId, note: &str) -> Result<(), StoreError> {
        self.inbox.resolve(now, id, note).await
    }

    async fn reopen(&self, now: Timestamp, id: DeliveryId) -> Result<(), StoreError> {
        self.inbox.reopen(now, id).await
    }

    async fn history(&self, id: DeliveryId) -> Result<Vec<HistoryEntry>, StoreError> {
        self.inbox.history(id).await
    }

    async fn revealed(&self, now: Timestamp, id: DeliveryId, operator: &str) -> Result<(), StoreError> {
        self.inbox.revealed(now, id, operator).await
    }

    async fn restore(&self, records: Vec<Record>) -> Result<Vec<Restored>, StoreError> {
        self.inbox.restore(records).await
    }

    async fn requeue(&self, request: Requeue) -> Result<Replayed, StoreError> {
        self.inbox.requeue(request).await
    }

    async fn prune(&self, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
        self.inbox.prune(now, retention).await
    }

    async fn forget(&self, id: DeliveryId) -> Result<(), StoreError> {
        self.inbox.forget(id).await
    }

    async fn task_state(&self, task: &str) -> Result<TaskState, StoreError> {
        self.inbox.task_state(task).await
    }

    async fn set_task_state(&self, state: TaskState) -> Result<bool, StoreError> {
        self.inbox.set_task_state(state).await
    }

    async fn spill_status(&self) -> Result<Option<SpillStatus>, StoreError> {
        self.inbox.spill_status().await
    }

    async fn space(&self) -> Result<Option<Space>, StoreError> {
        self.inbox.space().await
    }
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::inbox::{MemoryInbox, Settled};
    use tokio::sync::Notify;

    use super::*;

    fn watched() -> (WatchedInbox, Reporter, std::sync::mpsc::Receiver<Notice>) {
        let (feed, notices) = Feed::detached();
        let reporter = Reporter::new(feed);
        (
            WatchedInbox { inbox: Arc::new(MemoryInbox::new()), reporter: reporter.clone(), pace: Pace::default() },
            reporter,
            notices,
        )
    }

    fn delivery() -> NewDelivery {
        NewDelivery::new("wert", "wert", Timestamp::from_millis(0), "{}".into())
    }

    async fn settle(inbox: &WatchedInbox) {
        let now = Timestamp::from_millis(1);
        let claims = inbox.claim(now, ClaimRequest::new(1, Duration::from_secs(9))).await.unwrap();
        let settlement = Settlement::new(claims.deliveries.first().unwrap().lease, Settled::Handled);
        inbox.settle(now, vec![settlement]).await.unwrap();
    }

    #[tokio::test]
    async fn a_delivery_is_reported_before_its_attempts() {
        let (inbox, reporter, notices) = watched();
        let answer = reporter.answer(
            async {
                inbox.record(delivery()).await.unwrap();
                settle(&inbox).await;
                assert!(notices.try_recv().is_err(), "the request is not answered yet");
                7
            },
            |_| 200,
        );
        assert_eq!(answer.await, 7);
        assert!(matches!(notices.try_recv(), Ok(Notice::Answered { status: Some(200), received: Some(_), .. })));
        assert!(matches!(notices.try_recv(), Ok(Notice::Settled { .. })));
        inbox.record(delivery()).await.unwrap();
        settle(&inbox).await;
        assert!(matches!(notices.try_recv(), Ok(Notice::Settled { .. })), "nothing waits outside of requests");
    }

    #[tokio::test]
    async fn a_delivery_that_cannot_be_shown_is_counted() {
        let (inbox, reporter, notices) = watched();
        while reporter.feed.has_room() {
            reporter.feed.send(Notice::LeftOut(1));
        }
        reporter.answer(async { inbox.record(delivery()).await.unwrap() }, |_| 200).await;
        assert_eq!(reporter.feed.left_out(), 1);
        assert!(notices.try_iter().all(|notice| matches!(notice, Notice::LeftOut(1))));
        assert!(reporter.reports().unanswered.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn receiving_comes_before_claiming() {
        let (inbox, ..) = watched();
        let claim = async || {
            let begun = Instant::now();
            inbox.claim(Timestamp::from_millis(1), ClaimRequest::new(1, Duration::from_secs(9))).await.unwrap();
            begun.elapsed()
        };
        inbox.record(delivery()).await.unwrap();
        assert_eq!(claim().await, Duration::ZERO);
        for _ in 0..1_000 {
            inbox.record(delivery()).await.unwrap();
        }
        assert!(claim().await > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_delivery_whose_sender_has_gone_is_reported() {
        let (inbox, reporter, notices) = watched();
        let recorded = Notify::new();
        let request = reporter.answer(
            async {
                inbox.record(delivery()).await.unwrap();
                recorded.notify_one();
                std::future::pending::<()>().await;
            },
            |()| 200,
        );
        tokio::select! {
            () = request => {}
            () = recorded.notified() => {}
        }
        settle(&inbox).await;
        assert!(matches!(notices.try_recv(), Ok(Notice::Answered { status: None, received: Some(_), .. })));
        assert!(matches!(notices.try_recv(), Ok(Notice::Settled { .. })));
        let dropped = reporter.answer(std::future::pending::<()>(), |()| 200);
        assert!(tokio::time::timeout(Duration::from_millis(1), dropped).await.is_err());
        assert!(notices.try_recv().is_err(), "a request without a delivery is not reported");
    }
}
