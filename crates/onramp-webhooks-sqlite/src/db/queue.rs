//! The queue of the writing thread, which waits without a runtime.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// The receiving half of a queue, on a thread of its own.
pub(super) struct Queue<T> {
    jobs: mpsc::Receiver<T>,
    waker: Waker,
}

struct Unpark(Thread);

impl<T> Queue<T> {
    /// Wraps a receiver for use on this thread.
    pub(super) fn new(jobs: mpsc::Receiver<T>) -> Self {
        Self { jobs, waker: Arc::new(Unpark(std::thread::current())).into() }
    }

    /// Appends queued jobs to `into`, and returns their number, which is zero after the last sender is gone. `Pending` if no job arrives
    /// in time.
    pub(super) fn receive(&mut self, into: &mut Vec<T>, most: usize, limit: Duration) -> Poll<usize> {
        let deadline = Instant::now() + limit;
        loop {
            let received = self.jobs.poll_recv_many(&mut Context::from_waker(&self.waker), into, most);
            let left = deadline.saturating_duration_since(Instant::now());
            if received.is_ready() || left.is_zero() {
                return received;
            }
            std::thread::park_timeout(left);
        }
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
