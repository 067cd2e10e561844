//! The recording task. It commits all deliveries that arrived during the previous commit in one transaction.
//!
//! It never waits for more deliveries: the latency of the server determines the size of a batch.

use std::sync::Arc;

use onramp_webhooks::inbox::{NewDelivery, QuarantineBound, Recorded};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::Error;
use tokio::sync::{mpsc, oneshot};

use super::record;
use super::wakeups::Wakeups;
use crate::db::{Database, Limit, failed, is_of_the_data};

/// The maximum number of deliveries in one transaction.
const BATCH: usize = 256;

/// The maximum total size of bodies in one transaction. A larger body is recorded in a separate transaction.
const BYTES: usize = 16 << 20;

/// The maximum number of queued deliveries.
const QUEUE: usize = 1_024;

/// A handle to the recording task. The task ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Writer(mpsc::Sender<Call>);

#[derive(Debug)]
struct Call {
    delivery: NewDelivery,
    reply: oneshot::Sender<Result<Recorded, StoreError>>,
}

impl Writer {
    /// Starts the task. Must be called in a tokio runtime.
    pub(crate) fn start(database: Database, bound: QuarantineBound, wakeups: Arc<Wakeups>) -> Self {
        let (queue, calls) = mpsc::channel(QUEUE);
        tokio::spawn(Task { database, bound, wakeups }.run(calls));
        Self(queue)
    }

    /// Records a delivery in the next transaction, and returns when that is on the disk.
    pub(crate) async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let (reply, result) = oneshot::channel();
        self.0.send(Call { delivery, reply }).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, CONTEXT)
}

const CONTEXT: &str = "record a delivery";

struct Task {
    database: Database,
    bound: QuarantineBound,
    wakeups: Arc<Wakeups>,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Call>) {
        let mut calls = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut calls, BATCH).await > 0 {
            // A caller that is gone did not acknowledge its delivery, so the provider sends it again.
            calls.retain(|call| !call.reply.is_closed());
            while !calls.is_empty() {
                let rest = calls.split_off(batch(&calls));
                self.batch(std::mem::replace(&mut calls, rest)).await;
            }
        }
    }

    async fn batch(&self, calls: Vec<Call>) {
        match self.commit(&calls).await {
            Ok(recorded) => self.reply(calls, recorded),
            // One delivery cannot be recorded. The others can succeed without it.
            Err(error) if calls.len() > 1 && is_of_the_data(&error) => {
                for call in calls {
                    match self.commit(std::slice::from_ref(&call)).await {
                        Ok(recorded) => self.reply(vec![call], recorded),
                        Err(error) => refuse(vec![call], error),
                    }
                }
            }
            Err(error) => refuse(calls, error),
        }
    }

    /// Records the deliveries in one transaction. After an error none is recorded, unless the connection was lost during the commit.
    async fn commit(&self, calls: &[Call]) -> sqlx::Result<Vec<Recorded>> {
        let deliveries: Vec<_> = calls.iter().map(|call| &call.delivery).collect();
        let deliveries = &*deliveries;
        let record = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let recorded = record::record(&mut transaction, &self.database.schema, deliveries, self.bound).await?;
            transaction.commit().await?;
            Ok(recorded)
        };
        self.database.tried_raw(Limit::Prompt, record).await
    }

    fn reply(&self, calls: Vec<Call>, recorded: Vec<Recorded>) {
        for (call, recorded) in calls.into_iter().zip(recorded) {
            // The caller may be gone, which does not undo the commit.
            let _ = call.reply.send(Ok(recorded));
        }
        self.wakeups.wake();
    }
}

fn refuse(calls: Vec<Call>, error: Error) {
    let error = failed(CONTEXT)(error);
    tracing::error!(%error, deliveries = calls.len(), "a transaction failed; none of its deliveries is acknowledged");
    for call in calls {
        let _ = call.reply.send(Err(error.clone()));
    }
}

/// Returns the number of the first calls that fit into one transaction, which is at least one.
fn batch(calls: &[Call]) -> usize {
    let mut bytes = 0;
    let fits = |call: &&Call| {
        bytes += call.delivery.body.len();
        bytes <= BYTES
    };
    calls.iter().take_while(fits).count().max(1)
}
