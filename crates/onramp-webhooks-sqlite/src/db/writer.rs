//! The writing thread. It commits all calls that arrived during the previous commit in one transaction.
//!
//! It never waits for more calls: the latency of the disk determines the size of a batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use super::batch::Batch;
use super::connection::Settings;
use super::error::{failed, is_of_the_statement};
use super::file_id::FileIdentity;
use super::session::{Ended, Session};

/// The maximum number of calls in one transaction.
const BATCH: usize = 512;

/// The maximum number of queued calls.
const QUEUE: usize = 1_024;

/// The time for sessions between two batches.
const SERVING: Duration = Duration::from_millis(100);

/// A handle to the writing thread. The thread ends with its last handle.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    waiting: Arc<Waiting>,
    pub(crate) file: Arc<FileIdentity>,
}

/// Work for the thread.
enum Job {
    Call(Box<dyn Call>),
    Session(Session),
}

/// Notifications of changes that a commit may have made.
#[derive(Debug, Default)]
struct Waiting {
    work: Notify,
    ends: Notify,
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
            let sent = opened.send(thread.as_ref().map(|thread| Arc::clone(&thread.file)).map_err(Clone::clone));
            if let (Ok(thread), Ok(())) = (thread, sent) {
                thread.run(jobs);
            }
        };
        std::thread::Builder::new()
            .name("onramp-sqlite".into())
            .spawn(open_and_run)
            .map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "start the writing thread").because(error))?;
        Ok(Self { queue, waiting, file: open.await.map_err(|_| closed())?? })
    }

    /// Runs `work` inside the next transaction, and returns when its commit is on the disk. If a transaction fails and is split, `work`
    /// runs again, and only the last run counts.
    pub(crate) async fn call<T, W>(&self, effect: Effect, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let call = Queued { work, effect, result: None, reply };
        self.queue.send(Job::Call(Box::new(call))).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Queues a session, which runs in a separate transaction.
    pub(crate) async fn serve(&self, session: Session) -> Result<(), StoreError> {
        self.queue.send(Job::Session(session)).await.map_err(|_| closed())
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

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, "call the database")
}

/// A call that can be queued.
trait Call: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    fn reply(self: Box<Self>, committed: Result<(), StoreError>);
    fn effect(&self) -> Effect;
}

struct Queued<T, W> {
    work: W,
    effect: Effect,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Call for Queued<T, W>
where
    T: Send,
    W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(batch)?);
        Ok(())
    }

    fn reply(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // The caller may be gone, which does not undo the commit.
        let _ = reply.send(committed.and_then(|()| result.ok_or_else(closed)));
    }

    fn effect(&self) -> Effect {
        self.effect
    }
}

struct Thread {
    settings: Settings,
    file: Arc<FileIdentity>,
    /// `None` after a failure of the file. The next call opens it again.
    connection: Option<Connection>,
    waiting: Arc<Waiting>,
    sessions: VecDeque<Session>,
}

impl Thread {
    fn open(settings: Settings, waiting: Arc<Waiting>) -> Result<Self, StoreError> {
        let connection = Some(settings.create_writer()?);
        let file = Arc::new(FileIdentity::of(&settings.path)?);
        Ok(Self { settings, file, connection, waiting, sessions: VecDeque::new() })
    }

    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let (mut jobs, mut calls) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        while self.receive(&mut queue, &mut jobs) {
            for job in jobs.drain(..) {
                match job {
                    Job::Call(call) => calls.push(call),
                    Job::Session(session) => self.sessions.push_back(session),
                }
            }
            if !calls.is_empty() {
                self.batch(&mut calls);
            }
            self.serve();
        }
    }

    /// Takes queued jobs, and waits for one if no session waits. Returns `false` when the last handle is gone.
    fn receive(&self, queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) -> bool {
        if self.sessions.is_empty() {
            return queue.blocking_recv_many(jobs, BATCH) > 0;
        }
        jobs.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(BATCH));
        true
    }

    /// Serves sessions for a short time, so that queued calls do not wait for all of them.
    fn serve(&mut self) {
        let until = Instant::now() + SERVING;
        while Instant::now() < until
            && let Some(session) = self.sessions.pop_front()
        {
            let file = Arc::clone(&self.file);
            let connection = match self.connection() {
                Ok(connection) => connection,
                Err(error) => {
                    session.refuse_to_begin(None, &error);
                    continue;
                }
            };
            match session.run(connection, &file) {
                // The next event of its order may be due now.
                Ended::Committed => self.waiting.work.notify_one(),
                Ended::NothingHappened => {}
                Ended::Failed => self.connection = None,
            }
        }
    }

    /// Returns the connection to the file, if the file is still at its path.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.file.verify()?;
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => {
                let connection = self.settings.reopen_writer()?;
                self.file.verify()?;
                Ok(none.insert(connection))
            }
        }
    }

    fn batch(&mut self, calls: &mut Vec<Box<dyn Call>>) {
        match self.commit(calls) {
            Ok(()) => {
                let any = |effect| calls.iter().any(|call| call.effect() == effect);
                let (makes_work, ends_request) = (any(Effect::MakesWork), any(Effect::EndsRequest));
                calls.drain(..).for_each(|call| call.reply(Ok(())));
                if makes_work {
                    self.waiting.work.notify_one();
                }
                if ends_request {
                    self.waiting.ends.notify_waiters();
                }
            }
            Err(Failure::Statement(_)) if calls.len() > 1 => {
                for call in std::mem::take(calls) {
                    self.batch(&mut vec![call]);
                }
            }
            Err(Failure::Statement(error) | Failure::File(error)) => {
                tracing::error!(%error, calls = calls.len(), "a transaction failed; none of its calls is acknowledged");
                calls.drain(..).for_each(|call| call.reply(Err(error.clone())));
            }
        }
    }

    /// Runs the calls in one transaction, and checks after the commit that the file is still at its path.
    fn commit(&mut self, calls: &mut [Box<dyn Call>]) -> Result<(), Failure> {
        let connection = self.connection().map_err(Failure::File)?;
        transact(connection, calls).map_err(|error| {
            let of_the_statement = is_of_the_statement(&error);
            // A lock is temporary. After any other failure, only a new connection is certain to read the current contents of the disk.
            if !of_the_statement && error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) {
                self.connection = None;
            }
            let error = failed("write to the database")(error);
            if of_the_statement { Failure::Statement(error) } else { Failure::File(error) }
        })?;
        self.file.verify().map_err(Failure::File)
    }
}

/// The cause of a failed transaction.
enum Failure {
    /// The data of one call. The other calls can succeed without it.
    Statement(StoreError),
    /// The file, the disk or another process.
    File(StoreError),
}

fn transact(connection: &mut Connection, calls: &mut [Box<dyn Call>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut batch = Batch::new(&transaction);
    for call in calls {
        call.run(&mut batch)?;
    }
    drop(batch);
    transaction.commit()
}
