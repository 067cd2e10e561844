//! Notifications about idle workers.

use tokio::sync::watch;

/// The callers' side: numbers the requests, and waits until a number is reached.
#[derive(Debug)]
pub(super) struct IdleRequests {
    requested: watch::Sender<u64>,
    reached: watch::Receiver<u64>,
}

/// The worker's side: reports the number that it has reached.
#[derive(Debug)]
pub(super) struct IdleReports {
    requested: watch::Receiver<u64>,
    reached: watch::Sender<u64>,
}

pub(super) fn channel() -> (IdleRequests, IdleReports) {
    let (requested, requests) = watch::channel(0);
    let (reached, reports) = watch::channel(0);
    (IdleRequests { requested, reached: reports }, IdleReports { requested: requests, reached })
}

impl IdleRequests {
    /// Requests a report and waits for it, or for the end of the worker.
    pub(super) async fn wait(&self) {
        let mut number = 0;
        self.requested.send_modify(|requested| {
            *requested += 1;
            number = *requested;
        });
        // An error means that the worker has ended.
        let _ = self.reached.clone().wait_for(|reached| *reached >= number).await;
    }
}

impl IdleReports {
    /// Waits for the next request. Cancel-safe.
    pub(super) async fn requested(&mut self) {
        if self.requested.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns the number of the latest request.
    pub(super) fn latest(&self) -> u64 {
        *self.requested.borrow()
    }

    /// Returns whether a request has not been answered yet.
    pub(super) fn is_pending(&self) -> bool {
        *self.reached.borrow() < self.latest()
    }

    /// Answers all requests up to `number`.
    pub(super) fn report(&self, number: u64) {
        self.reached.send_if_modified(|reached| {
            let is_news = *reached < number;
            *reached = number.max(*reached);
            is_news
        });
    }
}
