//! Calls that share a transaction.

use onramp_webhooks::StoreError;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::writer::{Effect, closed};

/// A call that can be queued.
pub(super) trait Call: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    fn reply(self: Box<Self>, committed: Result<(), StoreError>);
    fn effect(&self) -> Effect;
}

/// A closure, and the caller that waits for its result.
pub(super) struct Queued<T, W> {
    work: W,
    effect: Effect,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Queued<T, W> {
    pub(super) const fn new(work: W, effect: Effect, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, effect, result: None, reply }
    }
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
