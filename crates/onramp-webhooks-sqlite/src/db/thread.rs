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
use super::deferred::Deferred;
use super::error::{Failure, failed, is_of_the_statement};
use super::file_id::FileIdentity;
use super::group::Group;
use super::guard;
use super::progress::Progress;
use super::queue::Queue;
use super::session::{Reply, Session, Step};
use super::turns::Turns;
use super::writer::{Effect, Job, Waiting, closed};

/// The maximum number of calls in one transaction.
const BATCH: usize = 512;

/// The time for sessions between two batches.
const SERVING: Duration = Duration::from_millis(100);

/// The time after which no other session follows in the same commit.
const GROUP: Duration = Duration::from_millis(20);

/// The time between two checks of the files of an idle database.
const IDLE: Duration = Duration::from_secs(1);

type Calls = Vec<Box<dyn Call>>;

pub(super) struct Thread {
    settings: Settings,
    file: Arc<FileIdentity>,
    /// `None` after a failure of the file. The next call opens it again.
    connection: Option<Connection>,
    waiting: Arc<Waiting>,
    /// Room for jobs on the way into the three queues.
    jobs: Vec<Job>,
    calls: Calls,
    sessions: VecDeque<Session>,
    closing: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// Set if the latest session was quick, so that another may follow it in the same commit.
    is_quick: bool,
    deferred: Deferred,
    turns: Turns,
    progress: Progress,
    /// Set after a file was lost and the log was copied into the database file.
    is_rescued: bool,
}

impl Thread {
    pub(super) fn open(settings: Settings, waiting: Arc<Waiting>) -> Result<Self, StoreError> {
        let (connection, file) = settings.create_writer()?;
        let (connection, file) = (Some(connection), Arc::new(file));
        Ok(Self {
            progress: Progress::new(settings.purpose),
            settings,
            file,
            connection,
            waiting,
            jobs: Vec::with_capacity(BATCH),
            calls: Vec::with_capacity(BATCH),
            sessions: VecDeque::new(),
            closing: Vec::new(),
            is_quick: true,
            deferred: Deferred::default(),
            turns: Turns::default(),
            is_rescued: false,
        })
    }

    pub(super) fn file(&self) -> Arc<FileIdentity> {
        Arc::clone(&self.file)
    }

    /// Works until the last handle is gone, or one of them closes the file.
    pub(super) fn run(mut self, jobs: mpsc::Receiver<Job>) {
        let mut queue = Queue::new(jobs);
        while self.closing.is_empty() && self.receive(&mut queue) {
            self.batch();
            if self.closing.is_empty() {
                self.serve(&mut queue);
            }
        }
        self.batch();
        let closed = self.close();
        // After this, all calls fail.
        drop(queue);
        for reply in self.closing {
            // The caller may be gone.
            let _ = reply.send(closed.clone());
        }
    }

    /// Takes queued jobs, and waits for one if there is nothing to do. Returns `false` when the last handle is gone.
    fn receive(&mut self, queue: &mut Queue<Job>) -> bool {
        if !self.sessions.is_empty() || !self.calls.is_empty() {
            return self.take(queue, Duration::ZERO) != Poll::Ready(0);
        }
        loop {
            match self.take(queue, IDLE) {
                Poll::Ready(received) => return received > 0,
                // The next call reports the error.
                Poll::Pending => drop(self.verify()),
            }
        }
    }

    fn take(&mut self, queue: &mut Queue<Job>, limit: Duration) -> Poll<usize> {
        let most = BATCH.saturating_sub(self.calls.len());
        if most == 0 {
            return Poll::Pending;
        }
        let taken = queue.receive(&mut self.jobs, most, limit);
        for job in self.jobs.drain(..) {
            match job {
                Job::Call(call) => self.calls.push(call),
                Job::Session(session) => self.sessions.push_back(session),
                Job::Close(reply) => self.closing.push(reply),
            }
        }
        taken
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.sessions.drain(..).for_each(|session| session.refuse_to_begin(None, &closed()));
        let opened = if self.connection.is_none() { self.reopen() } else { Ok(()) };
        let closed = self.connection.take().map_or(opened, |connection| checkpoint::close(connection, &self.file));
        closed.inspect_err(|error| tracing::warn!(%error, "the database file alone may be incomplete; keep the files beside it"))
    }

    /// Serves sessions for a short time, so that queued calls do not wait for all of them.
    fn serve(&mut self, queue: &mut Queue<Job>) {
        let until = Instant::now() + SERVING;
        while Instant::now() < until
            && self.closing.is_empty()
            && let Some((session, first)) = self.next_session(queue)
        {
            self.serve_group(session, first, queue);
        }
    }

    /// Returns the next session that waits, and its first step.
    fn next_session(&mut self, queue: &mut Queue<Job>) -> Option<(Session, Step)> {
        // The next wait for jobs notices that the last handle is gone.
        let _ = self.take(queue, Duration::ZERO);
        loop {
            let session = self.sessions.pop_front()?;
            if let Some(first) = session.first() {
                return Some((session, first));
            }
        }
    }

    /// Runs sessions in one transaction, and replies to them after its commit.
    fn serve_group(&mut self, session: Session, first: Step, queue: &mut Queue<Job>) {
        if let Err(error) = self.connect() {
            return session.refuse_to_begin(Some(first), &error);
        }
        let Some(mut connection) = self.connection.take() else { return };
        let (members, committed) = self.run_group(&mut connection, session, first, queue);
        self.connection = Some(connection);
        let committed = match committed {
            Ok(()) if members.is_empty() => return self.turns.end(),
            Ok(()) => self.verify(),
            Err(Failure::Statement(error)) => Err(error),
            Err(Failure::File(error)) => {
                self.discard();
                Err(error)
            }
        };
        self.end_group(members, committed);
    }

    fn run_group(
        &mut self,
        connection: &mut Connection,
        session: Session,
        first: Step,
        queue: &mut Queue<Job>,
    ) -> (Vec<Reply>, Result<(), Failure>) {
        let until = Instant::now() + GROUP;
        let mut group = match Group::begin(connection, &mut self.turns, &mut self.deferred) {
            Ok(group) => group,
            Err(error) => {
                session.refuse_to_begin(Some(first), &failed("begin a transaction")(error));
                return (Vec::new(), Ok(()));
            }
        };
        let mut next = Some((session, first));
        while let Some((session, first)) = next {
            let was_quick = std::mem::replace(&mut self.is_quick, group.run(session, first));
            let may_follow = was_quick && group.is_open() && Instant::now() < until && self.closing.is_empty();
            next = if may_follow { self.next_session(queue) } else { None };
        }
        if guard::outlasts() {
            self.deferred.forget();
        }
        group.commit()
    }

    fn end_group(&mut self, members: Vec<Reply>, committed: Result<(), StoreError>) {
        if committed.is_ok() {
            // The next event of an order may be due now.
            self.waiting.work.notify_one();
        }
        for reply in members {
            // The caller may be gone, which does not undo the commit.
            let _ = reply.send(committed.clone().map(|()| true));
        }
        self.turns.end();
    }

    /// Makes sure that there is a connection to the file, and that the file is still at its path.
    fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_none() {
            self.reopen()?;
        }
        self.verify()
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

    /// Runs the calls that wait.
    fn batch(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let mut calls = std::mem::take(&mut self.calls);
        self.run_calls(&mut calls);
        self.calls = calls;
        self.turns.end();
    }

    fn run_calls(&mut self, calls: &mut Calls) {
        match self.commit(calls) {
            Ok(()) => self.committed(calls),
            Err(Failure::Statement(_)) if calls.len() > 1 => {
                for call in std::mem::take(calls) {
                    self.run_calls(&mut vec![call]);
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
        self.connect().map_err(Failure::File)?;
        let connection = self.connection.as_mut().ok_or_else(|| Failure::File(closed()))?;
        transact(connection, &mut self.turns, &mut self.progress, calls).map_err(|error| {
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

/// Copies the log into the database file, and returns whether that succeeded.
fn rescue(connection: &Connection, file: &FileIdentity, lost: &StoreError) -> bool {
    let rescued = checkpoint::rescue(connection, file);
    match &rescued {
        Ok(()) => tracing::error!(error = %lost, "nothing more is acknowledged; all that was is in the database file"),
        Err(failure) => tracing::error!(error = %lost, %failure, "nothing more is acknowledged, and the log is not saved yet"),
    }
    rescued.is_ok()
}

fn transact(
    connection: &mut Connection,
    turns: &mut Turns,
    progress: &mut Progress,
    calls: &mut [Box<dyn Call>],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    turns.begin(&transaction)?;
    progress.mark(&transaction)?;
    let mut batch = Batch::new(&transaction);
    for call in calls {
        call.run(&mut batch)?;
    }
    drop(batch);
    transaction.commit()
}
