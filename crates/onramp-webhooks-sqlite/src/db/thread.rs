//! The writing thread. It commits all calls that arrived during the previous commit in one transaction.
//!
//! It never waits for more calls: the latency of the disk determines the size of a batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use onramp_webhooks::StoreError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::call::Call;
use super::checkpoint;
use super::connection::Settings;
use super::error::{failed, is_of_the_statement};
use super::file_id::FileIdentity;
use super::progress::Progress;
use super::queue::Queue;
use super::session::{Ended, Session};
use super::turns::Turns;
use super::writer::{Effect, Job, Waiting, closed};

/// The maximum number of calls in one transaction.
const BATCH: usize = 512;

/// The time for sessions between two batches.
const SERVING: Duration = Duration::from_millis(100);

/// The time between two checks of the files of an idle database.
const IDLE: Duration = Duration::from_secs(1);

type Calls = Vec<Box<dyn Call>>;
type Closing = Vec<oneshot::Sender<Result<(), StoreError>>>;

pub(super) struct Thread {
    settings: Settings,
    file: Arc<FileIdentity>,
    /// `None` after a failure of the file. The next call opens it again.
    connection: Option<Connection>,
    waiting: Arc<Waiting>,
    sessions: VecDeque<Session>,
    turns: Turns,
    progress: Progress,
    /// Set after a file was lost and the log was copied into the database file.
    is_rescued: bool,
}

impl Thread {
    pub(super) fn open(settings: Settings, waiting: Arc<Waiting>) -> Result<Self, StoreError> {
        let (connection, file) = settings.create_writer()?;
        let (connection, file) = (Some(connection), Arc::new(file));
        let (sessions, turns, progress) = (VecDeque::new(), Turns::default(), Progress::new(settings.purpose));
        Ok(Self { settings, file, connection, waiting, sessions, turns, progress, is_rescued: false })
    }

    pub(super) fn file(&self) -> Arc<FileIdentity> {
        Arc::clone(&self.file)
    }

    /// Works until the last handle is gone, or one of them closes the file.
    pub(super) fn run(mut self, jobs: mpsc::Receiver<Job>) {
        let mut queue = Queue::new(jobs);
        let (mut jobs, mut calls, mut closing) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH), Vec::new());
        while closing.is_empty() && self.receive(&mut queue, &mut jobs) {
            self.sort(&mut jobs, &mut calls, &mut closing);
            if !calls.is_empty() {
                self.batch(&mut calls);
                self.end_turn();
            }
            if closing.is_empty() {
                self.serve();
            }
        }
        let closed = self.close();
        // After this, all calls fail.
        drop(queue);
        for reply in closing {
            // The caller may be gone.
            let _ = reply.send(closed.clone());
        }
    }

    /// Takes queued jobs, and waits for one if no session waits. Returns `false` when the last handle is gone.
    fn receive(&mut self, queue: &mut Queue<Job>, jobs: &mut Vec<Job>) -> bool {
        if !self.sessions.is_empty() {
            return queue.receive(jobs, BATCH, Duration::ZERO) != Poll::Ready(0);
        }
        loop {
            match queue.receive(jobs, BATCH, IDLE) {
                Poll::Ready(received) => return received > 0,
                // The next call reports the error.
                Poll::Pending => drop(self.verify()),
            }
        }
    }

    fn sort(&mut self, jobs: &mut Vec<Job>, calls: &mut Calls, closing: &mut Closing) {
        for job in jobs.drain(..) {
            match job {
                Job::Call(call) => calls.push(call),
                Job::Session(session) => self.sessions.push_back(session),
                Job::Close(reply) => closing.push(reply),
            }
        }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.sessions.drain(..).for_each(|session| session.refuse_to_begin(None, &closed()));
        let opened = if self.connection.is_none() { self.reopen() } else { Ok(()) };
        let closed = self.connection.take().map_or(opened, |connection| checkpoint::close(connection, &self.file));
        closed.inspect_err(|error| tracing::warn!(%error, "the database file alone may be incomplete; keep the files beside it"))
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
                Ended::Committed => {
                    self.waiting.work.notify_one();
                    self.end_turn();
                }
                Ended::NothingHappened => {}
                Ended::Failed => self.discard(),
            }
        }
    }

    fn end_turn(&mut self) {
        if let Some(connection) = &self.connection {
            self.turns.end(connection);
        }
    }

    /// Returns the connection to the file, if the file is still at its path.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            self.reopen()?;
        }
        self.verify()?;
        self.connection.as_mut().ok_or_else(closed)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.file.verify_database()?;
        let connection = self.settings.reopen_writer()?;
        self.file.remember_log()?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Checks that the files are those that were opened. If not, saves what is in the log.
    fn verify(&mut self) -> Result<(), StoreError> {
        let verified = self.file.verify().and_then(|database| match self.progress.is_lost(&self.settings.path, &database) {
            true => Err(self.file.reject()),
            false => Ok(()),
        });
        match (&verified, &self.connection) {
            (Ok(()), _) => self.is_rescued = false,
            (Err(error), Some(connection)) if !self.is_rescued => {
                self.is_rescued = rescue(connection, &self.file, error);
            }
            _ => {}
        }
        verified
    }

    /// Closes a connection that failed. One whose files are gone is kept, because it alone may lead to them.
    fn discard(&mut self) {
        if self.verify().is_ok() {
            self.file.forget_log();
            self.connection = None;
        }
    }

    fn batch(&mut self, calls: &mut Calls) {
        match self.commit(calls) {
            Ok(()) => self.committed(calls),
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

    fn committed(&self, calls: &mut Calls) {
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

    /// Runs the calls in one transaction, and checks after the commit that the file is still at its path.
    fn commit(&mut self, calls: &mut [Box<dyn Call>]) -> Result<(), Failure> {
        self.connection().map_err(Failure::File)?;
        let connection = self.connection.as_mut().ok_or_else(|| Failure::File(closed()))?;
        transact(connection, &mut self.progress, calls).map_err(|error| {
            let of_the_statement = is_of_the_statement(&error);
            // A lock is temporary. After any other failure, only a new connection is certain to read the current contents of the disk.
            if !of_the_statement && error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) {
                self.discard();
            }
            let error = failed("write to the database")(error);
            if of_the_statement { Failure::Statement(error) } else { Failure::File(error) }
        })?;
        self.verify().map_err(Failure::File)
    }
}

/// The cause of a failed transaction.
enum Failure {
    /// The data of one call. The other calls can succeed without it.
    Statement(StoreError),
    /// The file, the disk or another process.
    File(StoreError),
}

/// Copies the log into the database file, and returns whether that succeeded.
fn rescue(connection: &Connection, file: &FileIdentity, lost: &StoreError) -> bool {
    let rescued = checkpoint::rescue(connection, file);
    match &rescued {
        Ok(()) => tracing::error!(error = %lost, "nothing more is acknowledged; all that was is in the database file"),
        Err(failure) => tracing::error!(error = %lost, %failure, "nothing more is acknowledged, and the log is not saved yet"),
    }
    rescued.is_ok()
}

fn transact(connection: &mut Connection, progress: &mut Progress, calls: &mut [Box<dyn Call>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    progress.mark(&transaction)?;
    let mut batch = Batch::new(&transaction);
    for call in calls {
        call.run(&mut batch)?;
    }
    drop(batch);
    transaction.commit()
}
