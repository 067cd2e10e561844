//! The check that the inbox can record deliveries. It writes, so pages share its result.

use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::attention::{Item, cannot_record};
use tokio::time::timeout;

use crate::builder::Settings;
use crate::latest::Latest;

/// The time for which pages share a check.
const SHARED_FOR: Duration = Duration::from_secs(10);

/// Maximum time for which pages share a check.
const SHARED_FOR_AT_MOST: Duration = Duration::from_secs(60);

/// Time limit of a check. An inbox that does not answer is away, which reading it tells.
const LONGEST_CHECK: Duration = Duration::from_secs(2);

/// The last check.
pub(crate) struct Checks(Latest<Option<Item>>);

impl Default for Checks {
    fn default() -> Self {
        Self(Latest::shared_for(SHARED_FOR, SHARED_FOR_AT_MOST))
    }
}

impl Checks {
    /// Returns the problem if the inbox cannot record deliveries. An inbox that is only looked at is not checked.
    pub(crate) async fn problem(&self, settings: &Arc<Settings>) -> Option<Item> {
        if settings.is_read_only {
            return None;
        }
        let checked = self.0.get(settings, |settings, _| async move {
            let checked = timeout(LONGEST_CHECK, settings.inbox.check()).await;
            let Some(error) = checked.ok().and_then(Result::err) else { return Ok(None) };
            Ok(Some(cannot_record(&*settings.inbox, &error).await))
        });
        checked.await.ok().and_then(|problem| problem.as_ref().clone())
    }
}
