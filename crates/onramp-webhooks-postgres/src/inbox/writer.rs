//! The recording task. It commits all deliveries that arrived during the previous commit in one transaction, which is one statement. Only
//! deliveries whose keys were taken need another one.
//!
//! It never waits for more deliveries: the latency of the server determines the size of a batch.

use std::collections::HashMap;
use std::sync::Arc;

use onramp_webhooks::inbox::{DeliveryId, NewDelivery, QuarantineBound, Recorded};
use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::fronts::Fronts;
use super::lock::Locked;
use super::record;
use super::wakeups::Wakeups;
use crate::db::{Database, Limit, Session, failed, is_of_one_delivery};

/// The maximum number of deliveries in one transaction.
const BATCH: usize = 256;

/// The maximum total size of deliveries in one transaction, in bytes. A larger one is recorded in a separate transaction.
const BYTES: usize = 16 << 20;

/// The same over TLS, so that a batch is one record, which has at most 16 KiB. sqlx 0.9.0 leaves Nagle's algorithm on
/// (<https://github.com/transact-rs/sqlx/issues/4335>), so a second record waits until the server acknowledges the first, after 40 ms.
const BYTES_OVER_TLS: usize = 15 << 10;

/// The size of a delivery in a message without its body and its texts, in bytes: numbers, hashes, and lengths.
const FIELDS: usize = 256;

/// The maximum number of queued deliveries.
const QUEUE: usize = 1_024;

/// The maximum number of batches that wait for other transactions at the same time, on one connection each.
const WAITING: usize = 2;

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
    pub(crate) fn start(
        database: Database,
        bound: QuarantineBound,
        wakeups: Arc<Wakeups>,
        fronts: Arc<Fronts>,
        has_tls: bool,
    ) -> Self {
        let (queue, calls) = mpsc::channel(QUEUE);
        let (session, waiting) = (Arc::default(), Arc::new(Semaphore::new(WAITING)));
        let bytes = if has_tls { BYTES_OVER_TLS } else { BYTES };
        tokio::spawn(Task { database, bound, wakeups, fronts, session, waiting, bytes }.run(calls));
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

#[derive(Clone)]
struct Task {
    database: Database,
    bound: QuarantineBound,
    wakeups: Arc<Wakeups>,
    fronts: Arc<Fronts>,
    session: Arc<Session>,
    /// One permit for each batch that may wait for other transactions at the same time.
    waiting: Arc<Semaphore>,
    /// The maximum total size of deliveries in one transaction.
    bytes: usize,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Call>) {
        let mut calls = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut calls, BATCH).await > 0 {
            // A caller that is gone did not acknowledge its delivery, so the provider sends it again.
            calls.retain(|call| !call.reply.is_closed());
            while !calls.is_empty() {
                let rest = calls.split_off(batch(calls.iter().map(|call| &call.delivery), self.bytes));
                self.batch(std::mem::replace(&mut calls, rest)).await;
            }
        }
    }

    async fn batch(&self, calls: Vec<Call>) {
        match self.insert(&calls).await {
            Ok(ids) => self.inserted(calls, ids).await,
            // The others can succeed without the one that failed.
            Err(error) if calls.len() > 1 && is_of_one_delivery(&error) => {
                for call in calls {
                    match self.insert(std::slice::from_ref(&call)).await {
                        Ok(ids) => self.inserted(vec![call], ids).await,
                        Err(error) => refuse(vec![call], error),
                    }
                }
            }
            Err(error) => refuse(calls, error),
        }
    }

    /// Inserts the deliveries that are new, in one transaction, and returns their ids by position. After an error none is inserted, unless
    /// the connection was lost during the commit.
    async fn insert(&self, calls: &[Call]) -> sqlx::Result<HashMap<i64, DeliveryId>> {
        let (deliveries, schema) = (&*deliveries(calls), &*self.database.schema);
        let insert = |_| async move {
            if !self.database.is_pooled {
                let mut open = self.session.take(&self.database).await?;
                let ids = record::record_new(&mut open.connection, schema, deliveries).await?;
                self.session.keep(open);
                return Ok(ids);
            }
            let mut transaction = self.database.begin_batch().await?;
            let ids = record::record_new(&mut transaction, schema, deliveries).await?;
            transaction.commit().await?;
            Ok(ids)
        };
        self.database.tried_raw(Limit::Prompt, insert).await
    }

    /// Replies to the callers of new deliveries, and records the others.
    async fn inserted(&self, calls: Vec<Call>, mut ids: HashMap<i64, DeliveryId>) {
        let (mut new, mut known) = (Vec::with_capacity(calls.len()), Vec::new());
        for (nth, call) in (1..).zip(calls) {
            match ids.remove(&nth) {
                Some(id) => new.push((call, id)),
                None => known.push(call),
            }
        }
        if new.iter().any(|(call, _)| call.delivery.quarantine.as_ref().is_some_and(|quarantine| quarantine.noise)) {
            self.evict_noise().await;
        }
        for (call, id) in new {
            self.reply(call, Recorded::New(id));
        }
        if !known.is_empty() {
            self.known(known).await;
        }
    }

    async fn evict_noise(&self) {
        let evict = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            record::evict_noise(&mut transaction, &self.database.schema, self.bound).await?;
            transaction.commit().await
        };
        if let Err(error) = self.database.tried_raw(Limit::Prompt, evict).await {
            tracing::warn!(%error, "could not remove quarantined noise beyond the bound");
        }
    }

    /// Records deliveries whose keys were taken, in one transaction. Those whose holders are locked wait beside later batches.
    async fn known(&self, calls: Vec<Call>) {
        match self.record_known(&calls, Locked::Skip).await {
            Ok(recorded) => {
                let locked = self.reply_to_some(calls, recorded);
                if !locked.is_empty() {
                    tokio::spawn(self.clone().wait(locked));
                }
            }
            Err(error) if calls.len() > 1 && is_of_one_delivery(&error) => {
                calls.into_iter().for_each(|call| drop(tokio::spawn(self.clone().wait(vec![call]))));
            }
            Err(error) => refuse(calls, error),
        }
    }

    /// Records deliveries whose holders are locked, together. After a wait that is too long, it refuses those that are still locked.
    async fn wait(self, calls: Vec<Call>) {
        let _permit = self.waiting.acquire().await;
        let error = match self.record_known(&calls, Locked::Wait).await {
            Ok(recorded) => return drop(self.reply_to_some(calls, recorded)),
            Err(error) => error,
        };
        let recorded = match self.record_known(&calls, Locked::Skip).await {
            Ok(recorded) if is_of_one_delivery(&error) => recorded,
            _ => return refuse(calls, error),
        };
        refuse(self.reply_to_some(calls, recorded), error);
    }

    async fn record_known(&self, calls: &[Call], locked: Locked) -> sqlx::Result<Vec<Option<Recorded>>> {
        let (deliveries, schema) = (&*deliveries(calls), &*self.database.schema);
        let record = |_| async move {
            let mut transaction = self.database.begin(Limit::Prompt).await?;
            let recorded = record::record_known(&mut transaction, schema, deliveries, locked).await?;
            transaction.commit().await?;
            Ok(recorded)
        };
        self.database.tried_raw(Limit::Prompt, record).await
    }

    /// Replies to the callers of recorded deliveries, and returns the others.
    fn reply_to_some(&self, calls: Vec<Call>, recorded: Vec<Option<Recorded>>) -> Vec<Call> {
        let replied = |(call, recorded)| match recorded {
            Some(recorded) => {
                self.reply(call, recorded);
                None
            }
            None => Some(call),
        };
        calls.into_iter().zip(recorded).filter_map(replied).collect()
    }

    fn reply(&self, call: Call, recorded: Recorded) {
        match recorded {
            Recorded::Duplicate { first, requeued: true } => self.fronts.revived(first),
            _ => self.fronts.recorded(&call.delivery.endpoint),
        }
        // The caller may be gone, which does not undo the commit.
        let _ = call.reply.send(Ok(recorded));
        self.wakeups.wake();
    }
}

fn deliveries(calls: &[Call]) -> Vec<&NewDelivery> {
    calls.iter().map(|call| &call.delivery).collect()
}

fn refuse(calls: Vec<Call>, error: Error) {
    if calls.is_empty() {
        return;
    }
    let error = failed(CONTEXT)(error);
    tracing::error!(%error, deliveries = calls.len(), "a transaction failed; none of its deliveries is acknowledged");
    for call in calls {
        let _ = call.reply.send(Err(error.clone()));
    }
}

/// Returns the number of the first deliveries that fit into one transaction, which is at least one.
fn batch<'a>(deliveries: impl Iterator<Item = &'a NewDelivery>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |delivery: &&NewDelivery| {
        bytes += size(delivery);
        bytes <= most
    };
    deliveries.take_while(fits).count().max(1)
}

/// Returns about how many bytes a delivery takes in a message.
fn size(delivery: &NewDelivery) -> usize {
    let key = delivery.key.as_ref().map_or(0, |key| key.subject().len() + key.discriminator().len());
    let event_type = delivery.event_type.as_ref().map_or(0, String::len);
    FIELDS + delivery.body.len() + delivery.endpoint.len() + delivery.provider.as_str().len() + event_type + key
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::clock::Timestamp;

    use super::*;

    #[test]
    fn a_batch_has_at_most_so_many_bytes_and_at_least_one_delivery() {
        let delivery = |size: usize| NewDelivery::new("wert", "wert", Timestamp::from_millis(0), vec![b'.'; size].into());
        let fitting = |sizes: &[usize], most| batch(sizes.iter().map(|size| delivery(*size)).collect::<Vec<_>>().iter(), most);
        let beside = size(&delivery(0));
        assert_eq!(fitting(&[100, 100, 100], 3 * (100 + beside)), 3);
        assert_eq!(fitting(&[100, 100, 101], 3 * (100 + beside)), 2);
        assert_eq!(fitting(&[BYTES_OVER_TLS, 1], BYTES_OVER_TLS), 1);
        assert_eq!(fitting(&[BYTES_OVER_TLS, 1], BYTES), 2);
        assert_eq!(fitting(&[1 << 20], BYTES_OVER_TLS), 1);
    }
}
