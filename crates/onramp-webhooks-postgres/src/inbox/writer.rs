//! The one who records: a task that commits whatever has gathered while the last commit was under way.
//!
//! Not waiting for more makes the fastest batch: the server's own latency sets its size.

use std::sync::Arc;

use onramp_webhooks::inbox::{NewDelivery, QuarantineBound, Recorded};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::Error;
use tokio::sync::{mpsc, oneshot};

use crate::database::{Database, Limit};
use crate::error::{failed, is_of_the_data};
use crate::record;
use crate::waking::Waking;

/// The most deliveries in one transaction.
const BATCH: usize = 256;

/// The most bytes of bodies in one transaction, beyond its first.
const BYTES: usize = 16 << 20;

/// The most deliveries that wait for one.
const QUEUE: usize = 1_024;

/// Where deliveries are sent; the task ends when nobody can send any more.
#[derive(Debug)]
pub(crate) struct Writer(mpsc::Sender<Call>);

#[derive(Debug)]
struct Call {
    delivery: NewDelivery,
    reply: oneshot::Sender<Result<Recorded, StoreError>>,
}

impl Writer {
    /// Has to be called in a runtime of tokio.
    pub(crate) fn start(database: Database, bound: QuarantineBound, waking: Arc<Waking>) -> Self {
        let (queue, calls) = mpsc::channel(QUEUE);
        tokio::spawn(Task { database, bound, waking }.run(calls));
        Self(queue)
    }

    /// Keeps a delivery with the next transaction, and answers once that is on the disk.
    pub(crate) async fn record(&self, delivery: NewDelivery) -> Result<Recorded, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Call { delivery, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, CONTEXT)
}

const CONTEXT: &str = "record a delivery";

struct Task {
    database: Database,
    bound: QuarantineBound,
    waking: Arc<Waking>,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Call>) {
        let mut calls = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut calls, BATCH).await > 0 {
            // Whoever has gone was told nothing, and gets it again.
            calls.retain(|call| !call.reply.is_closed());
            while !calls.is_empty() {
                let rest = calls.split_off(batch(&calls));
                self.batch(std::mem::replace(&mut calls, rest)).await;
            }
        }
    }

    async fn batch(&self, calls: Vec<Call>) {
        match self.commit(&calls).await {
            Ok(recorded) => self.answer(calls, recorded),
            // One of them cannot be kept; the others can do without it.
            Err(error) if calls.len() > 1 && is_of_the_data(&error) => {
                for call in calls {
                    match self.commit(std::slice::from_ref(&call)).await {
                        Ok(recorded) => self.answer(vec![call], recorded),
                        Err(error) => refuse(vec![call], error),
                    }
                }
            }
            Err(error) => refuse(calls, error),
        }
    }

    /// One transaction; after an error none of it happened, unless the connection was lost while it was committed.
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

    fn answer(&self, calls: Vec<Call>, recorded: Vec<Recorded>) {
        for (call, recorded) in calls.into_iter().zip(recorded) {
            // Whoever asked may have gone; what was committed stays.
            let _ = call.reply.send(Ok(recorded));
        }
        self.waking.wake();
    }
}

fn refuse(calls: Vec<Call>, error: Error) {
    let error = failed(CONTEXT)(error);
    tracing::error!(%error, deliveries = calls.len(), "nothing of this transaction happened");
    for call in calls {
        let _ = call.reply.send(Err(error.clone()));
    }
}

/// How many of the first calls make a transaction that is not too large; at least one.
fn batch(calls: &[Call]) -> usize {
    let mut bytes = 0;
    let fits = |call: &&Call| {
        bytes += call.delivery.body.len();
        bytes <= BYTES
    };
    calls.iter().take_while(fits).count().max(1)
}
