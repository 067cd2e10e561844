//! Idempotency keys and stored replies, over the writing thread.

mod rows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyLease, KeyState};

use crate::SqliteOptions;
use crate::db::{Effect, Writer};

/// An [`IdempotencyStore`] in one SQLite file.
///
/// Any number of stores and inboxes, in any number of processes on one machine, may share a file. If the process also has an inbox in the
/// file, use [`SqliteInbox::idempotency_store`](crate::SqliteInbox::idempotency_store).
///
/// A call returns after the commit that holds its result has reached the disk. Cheap to clone; clones share their thread.
#[derive(Clone)]
pub struct SqliteIdempotencyStore {
    options: Arc<SqliteOptions>,
    writer: Writer,
}

impl SqliteIdempotencyStore {
    /// Opens the store in the file at `path`, and creates the file if it is missing.
    ///
    /// # Errors
    /// Returns the errors of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new(path).open_idempotency_store().await
    }

    pub(crate) async fn start(options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(options.file.clone()).await?;
        Ok(Self::sharing(Arc::new(options), writer))
    }

    pub(crate) const fn sharing(options: Arc<SqliteOptions>, writer: Writer) -> Self {
        Self { options, writer }
    }
}

#[async_trait]
impl IdempotencyStore for SqliteIdempotencyStore {
    async fn claim(
        &self,
        now: Timestamp,
        lease: KeyLease,
        fingerprint: Fingerprint,
        lease_until: Timestamp,
    ) -> Result<KeyState, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| rows::claim(batch.connection, now, lease, fingerprint, lease_until)).await
    }

    async fn renew(&self, lease: KeyLease, lease_until: Timestamp) -> Result<bool, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| rows::renew(batch.connection, lease, lease_until)).await
    }

    async fn complete(&self, lease: KeyLease, reply: Bytes, expires_at: Timestamp) -> Result<bool, StoreError> {
        self.writer.call(Effect::EndsRequest, move |batch| rows::complete(batch.connection, lease, &reply, expires_at)).await
    }

    async fn release(&self, lease: KeyLease) -> Result<bool, StoreError> {
        self.writer.call(Effect::EndsRequest, move |batch| rows::release(batch.connection, lease)).await
    }

    async fn changed(&self) {
        self.writer.end().await;
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer.call(Effect::Quiet, move |batch| rows::prune(batch.connection, now)).await
    }
}

impl fmt::Debug for SqliteIdempotencyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteIdempotencyStore").field("path", &self.options.file.path).finish_non_exhaustive()
    }
}
