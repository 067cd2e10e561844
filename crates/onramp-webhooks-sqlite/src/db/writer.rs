//! The one writer: a thread that commits whatever has gathered while the last commit was under way.
//!
//! Not waiting for more makes the fastest batch: the disk's own latency sets its size.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onramp_webhooks::{StoreError, StoreErrorKind};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::SqliteOptions;
use crate::batch::Batch;
use crate::error::{failed, is_of_the_statement};
use crate::file::FileId;
use crate::migrations::migrate;
use crate::session::{Ended, Session};

/// The most calls in one transaction.
const BATCH: usize = 512;

/// The most calls that wait for one.
const QUEUE: usize = 1_024;

/// How long handlers' transactions are served before others have their turn again.
const SERVING: Duration = Duration::from_millis(100);

/// Where calls are sent; the thread ends when nobody can send any more.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    waiting: Arc<Waiting>,
}

/// What the thread is asked for.
enum Job {
    Call(Box<dyn Call>),
    Session(Session),
}

/// Those who wait for what a commit may change.
#[derive(Debug, Default)]
struct Waiting {
    work: Notify,
    ends: Notify,
}

impl Writer {
    /// Opens the file in a thread of its own, and returns once it is open.
    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let waiting = Arc::new(Waiting::default());
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (opened, open) = oneshot::channel();
        let tells = Arc::clone(&waiting);
        let open_and_run = move || match File::open(&options) {
            Ok(file) => {
                if opened.send(Ok(())).is_ok() {
                    Thread { options, file: Some(file), waiting: tells, sessions: VecDeque::new() }.run(jobs);
                }
            }
            Err(error) => {
                // Whoever asked may have gone; then there is nobody to tell.
                let _ = opened.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("onramp-sqlite".into())
            .spawn(open_and_run)
            .map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "start the writing thread").because(error))?;
        open.await.map_err(|_| closed())??;
        Ok(Self { queue, waiting })
    }

    /// Runs `work` inside the next transaction, and answers once that is on the disk. It may run more than once, when a transaction
    /// has to be taken apart; only the last time counts.
    pub(crate) async fn call<T, W>(&self, effect: Effect, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Asked { work, effect, result: None, reply };
        self.queue.send(Job::Call(Box::new(call))).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets a handler have a transaction to itself, after those who asked before.
    pub(crate) async fn serve(&self, session: Session) -> Result<(), StoreError> {
        self.queue.send(Job::Session(session)).await.map_err(|_| closed())
    }

    /// Returns when something may have fallen due since the last return. One waits at a time.
    pub(crate) async fn work(&self) {
        self.waiting.work.notified().await;
    }

    /// Returns when a request may have ended after the first poll. Any number may wait.
    pub(crate) async fn end(&self) {
        self.waiting.ends.notified().await;
    }
}

/// What a call can change for those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Something may fall due.
    MakesWork,
    /// A request may end.
    EndsRequest,
    /// Nobody waits for it.
    Quiet,
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, "call the database")
}

/// A call on its way through the thread.
trait Call: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
    fn effect(&self) -> Effect;
}

struct Asked<T, W> {
    work: W,
    effect: Effect,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Call for Asked<T, W>
where
    T: Send,
    W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(batch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // Whoever asked may have gone; what was committed stays.
        let _ = reply.send(committed.and_then(|()| result.ok_or_else(closed)));
    }

    fn effect(&self) -> Effect {
        self.effect
    }
}

/// The open file, and which file it was.
struct File {
    connection: Connection,
    id: FileId,
}

impl File {
    fn open(options: &SqliteOptions) -> Result<Self, StoreError> {
        let mut connection = options.writer()?;
        migrate(&mut connection, options.purpose)?;
        Ok(Self { connection, id: FileId::of(&options.path) })
    }
}

struct Thread {
    options: SqliteOptions,
    /// `None` after a failure of the file: opened anew for the next call.
    file: Option<File>,
    waiting: Arc<Waiting>,
    /// Handlers that wait for a transaction.
    sessions: VecDeque<Session>,
}

impl Thread {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let (mut jobs, mut calls) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        loop {
            if self.sessions.is_empty() {
                if queue.blocking_recv_many(&mut jobs, BATCH) == 0 {
                    return;
                }
            } else {
                jobs.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(BATCH));
            }
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

    /// Serves handlers that wait, for a short time: whoever records comes in between.
    fn serve(&mut self) {
        let until = Instant::now() + SERVING;
        while Instant::now() < until
            && let Some(session) = self.sessions.pop_front()
        {
            let file = match self.file() {
                Ok(file) => file,
                Err(error) => {
                    session.refuse_to_begin(None, &error);
                    continue;
                }
            };
            match session.run(&mut file.connection) {
                // The next event of its order may be due now.
                Ended::Committed => self.waiting.work.notify_one(),
                Ended::NothingHappened => {}
                Ended::Failed => self.file = None,
            }
        }
    }

    /// The file that is at the path now.
    fn file(&mut self) -> Result<&mut File, StoreError> {
        if self.file.as_ref().is_some_and(|file| file.id != FileId::of(&self.options.path)) {
            tracing::error!(path = %self.options.path.display(), "the database file was moved, replaced or deleted; opening what is there now");
            self.file = None;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(File::open(&self.options)?)),
        }
    }

    fn batch(&mut self, calls: &mut Vec<Box<dyn Call>>) {
        match self.commit(calls) {
            Ok(()) => {
                let any = |effect| calls.iter().any(|call| call.effect() == effect);
                let (makes_work, ends_request) = (any(Effect::MakesWork), any(Effect::EndsRequest));
                calls.drain(..).for_each(|call| call.answer(Ok(())));
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
                tracing::error!(%error, calls = calls.len(), "nothing of this transaction happened");
                calls.drain(..).for_each(|call| call.answer(Err(error.clone())));
            }
        }
    }

    /// One transaction; after an error none of it happened.
    fn commit(&mut self, calls: &mut [Box<dyn Call>]) -> Result<(), Failure> {
        let file = self.file().map_err(Failure::File)?;
        transact(&mut file.connection, calls).map_err(|error| {
            let of_the_statement = is_of_the_statement(&error);
            // A lock passes by itself; after anything else only a new connection knows what is on the disk.
            if !of_the_statement && error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) {
                self.file = None;
            }
            let error = failed("write to the database")(error);
            if of_the_statement { Failure::Statement(error) } else { Failure::File(error) }
        })
    }
}

/// Why a transaction failed.
enum Failure {
    /// One call's own data; the others can do without it.
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
