//! A handle to the writing thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use onramp_webhooks::{StoreError, StoreErrorKind};
use tokio::sync::{Notify, mpsc, oneshot};

use super::batch::Batch;
use super::call::{Call, Queued};
use super::connection::Settings;
use super::file_id::FileIdentity;
use super::session::Session;
use super::thread::Thread;

/// The maximum number of queued calls.
const QUEUE: usize = 1_024;

/// A handle to the writing thread. The thread closes the file and ends with its last handle, whose drop waits for that.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    waiting: Arc<Waiting>,
    pub(crate) file: Arc<FileIdentity>,
    // Dropped after the sender, whose last drop ends the thread.
    _thread: Arc<Joined>,
}

/// Work for the thread.
pub(super) enum Job {
    Call(Box<dyn Call>),
    Session(Session),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Notifications of changes that a commit may have made.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) work: Notify,
    pub(super) ends: Notify,
}

impl Writer {
    /// Starts a thread that opens the file, and returns when the file is open.
    pub(crate) async fn start(settings: Settings) -> Result<Self, StoreError> {
        let waiting = Arc::new(Waiting::default());
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (opened, open) = oneshot::channel();
        let notified = Arc::clone(&waiting);
        let open_and_run = move || {
            let thread = Thread::open(settings, notified);
            // The caller may be gone.
            let sent = opened.send(thread.as_ref().map(Thread::file).map_err(Clone::clone));
            if let (Ok(thread), Ok(())) = (thread, sent) {
                thread.run(jobs);
            }
        };
        let thread = std::thread::Builder::new()
            .name("onramp-sqlite".into())
            .spawn(open_and_run)
            .map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "start the writing thread").because(error))?;
        Ok(Self { queue, waiting, file: open.await.map_err(|_| closed())??, _thread: Joined::new(thread) })
    }

    /// Runs `work` inside the next transaction, and returns when its commit is on the disk. If a transaction fails and is split, `work`
    /// runs again, and only the last run counts.
    pub(crate) async fn call<T, W>(&self, effect: Effect, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let call = Queued::new(work, effect, reply);
        self.queue.send(Job::Call(Box::new(call))).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Queues a session, which runs in a separate transaction.
    pub(crate) async fn serve(&self, session: Session) -> Result<(), StoreError> {
        self.queue.send(Job::Session(session)).await.map_err(|_| closed())
    }

    /// Closes the file after the calls that are queued. Later calls fail. Does nothing if the file is closed.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (reply, result) = oneshot::channel();
        if self.queue.send(Job::Close(reply)).await.is_err() {
            return Ok(());
        }
        // Without a reply, another call closed the file.
        result.await.unwrap_or(Ok(()))
    }

    /// Returns an error if the file is closed, or is not the one that was opened.
    pub(crate) fn verify(&self) -> Result<(), StoreError> {
        if self.queue.is_closed() { Err(closed()) } else { self.file.verify().map(drop) }
    }

    /// Returns when a delivery may have become due since the last return. Only one task may wait.
    pub(crate) async fn work(&self) {
        self.waiting.work.notified().await;
    }

    /// Returns when a request may have ended since the first poll. Any number of tasks may wait.
    pub(crate) async fn end(&self) {
        self.waiting.ends.notified().await;
    }
}

/// The change by a call that waiting tasks are notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A delivery may become due.
    MakesWork,
    /// A request may have ended.
    EndsRequest,
    /// No task waits for this change.
    Quiet,
}

/// A thread that is waited for when this value is dropped.
#[derive(Debug)]
struct Joined(Mutex<Option<JoinHandle<()>>>);

impl Joined {
    fn new(thread: JoinHandle<()>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(thread))))
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let thread = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A closure on the thread itself may have held the last handle.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic was printed.
            let _ = thread.join();
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, "call the database")
}
