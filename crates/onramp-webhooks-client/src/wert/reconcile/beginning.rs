//! The time since which an inbox has received an endpoint's events.

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::Filter;

use super::Reconciler;
use super::progress::Progress;

/// Number of deliveries on a page.
const PAGE_SIZE: usize = 1_000;

impl Reconciler {
    /// Returns the time from which on missing orders are repaired. It is stored at the first repair, so that it stays the same.
    pub(super) async fn beginning(&self) -> Result<Timestamp, StoreError> {
        if let Some(since) = self.repair_since {
            return Ok(since);
        }
        loop {
            let mut progress = Progress::load(self).await?;
            if let Some(beginning) = progress.beginning() {
                return Ok(beginning);
            }
            progress.set_beginning(self.first_delivery().await?.min(self.created_at));
            // If another process was faster, its beginning counts.
            progress.save(self).await?;
        }
    }

    /// Returns the arrival of the oldest delivery at the endpoint, or the greatest time without one. Reads them all, because a clock may
    /// have been wrong.
    async fn first_delivery(&self) -> Result<Timestamp, StoreError> {
        let mut first = Timestamp::from_millis(i64::MAX);
        let mut next = Some(Filter::all().endpoint(&*self.endpoint).limit(PAGE_SIZE));
        while let Some(filter) = next {
            let page = self.inbox.list(filter.clone()).await?;
            first = page.records.iter().map(|record| record.received_at).fold(first, Ord::min);
            next = filter.following(&page);
        }
        Ok(first)
    }
}
