//! The task that handles purchases in quarantine once this version can read them.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;

use super::PeriodicTask;
use crate::clock::Clock;
use crate::inbox::{Filter, Inbox, ReplayScope, Replayed, State, replay_all};
use crate::provider::Providers;

/// Replays the purchases in quarantine that no operator has resolved. Those that still cannot be read stay there.
pub(super) struct RereadPurchases {
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) providers: Providers,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl PeriodicTask for RereadPurchases {
    fn name(&self) -> &str {
        "reread_purchases"
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        for purchase in self.providers.purchase_types() {
            // An operator who resolved one may have credited it.
            let quarantined = Filter::all().state(State::Quarantined).resolved(false).event_type(purchase);
            let (inbox, scope) = (&*self.inbox, ReplayScope::Unhandled);
            for (id, replayed) in replay_all(inbox, &self.providers, quarantined, scope, self.clock.now()).await? {
                match replayed {
                    Ok(Replayed::StillUnreadable { .. }) => {}
                    Ok(replayed) => tracing::info!(%id, ?replayed, "a purchase in quarantine can be read now"),
                    Err(error) => tracing::warn!(%id, %error, "a purchase in quarantine was not read again"),
                }
            }
        }
        Ok(())
    }
}
