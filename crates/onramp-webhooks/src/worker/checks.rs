//! What is asked before the handler.

use std::sync::Arc;

use super::handling::{Means, within};
use crate::delivery::Delivery;
use crate::handler::{Handler, HandlerError, HandlerErrorKind};
use crate::telemetry;
use crate::unwinding::unwound;

/// The checks of a worker, in their order.
#[derive(Clone, Default)]
pub(super) struct Checks(Vec<Arc<dyn Handler>>);

impl Checks {
    pub(super) fn add(&mut self, check: impl Handler) {
        self.0.push(Arc::new(check));
    }

    /// Asks one check after the other, up to the first that fails. Together they have the time of one attempt: the handler, whose time
    /// begins after them, does not pay for a provider that is slow.
    pub(super) async fn pass(&self, means: Means<'_>, delivery: &Delivery) -> Result<(), HandlerError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let asking = async {
            for check in &self.0 {
                check.handle(delivery).await?;
            }
            Ok(())
        };
        let passed = within("the check before the handler", means.timeout, unwound(asking)).await;
        telemetry::checked(
            delivery.provider(),
            match passed.as_ref().map_err(|error| error.kind) {
                Ok(()) => "passed",
                Err(HandlerErrorKind::NotYet(_)) => "not_yet",
                Err(HandlerErrorKind::Transient) => "failed",
                Err(HandlerErrorKind::Permanent) => "refused",
            },
        );
        passed
    }
}
