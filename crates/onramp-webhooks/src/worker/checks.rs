//! Checks before the handler.

use std::sync::Arc;

use super::attempt::AttemptContext;
use super::handling::limited;
use super::{Delivery, Handler, HandlerError, HandlerErrorKind};
use crate::panics::caught;
use crate::telemetry;

/// The name of a check in error messages.
const CHECK: &str = "the check before the handler";

/// The checks of a worker, in order.
#[derive(Clone, Default)]
pub(super) struct Checks(Vec<Arc<dyn Handler>>);

impl Checks {
    pub(super) fn add(&mut self, check: impl Handler) {
        self.0.push(Arc::new(check));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs the checks up to the first that fails. The checks together have the time limit of one attempt. The handler's own limit
    /// begins after them.
    pub(super) async fn pass(&self, context: AttemptContext<'_>, delivery: &Delivery) -> Result<(), HandlerError> {
        if self.is_empty() {
            return Ok(());
        }
        let checking = async {
            for check in &self.0 {
                check.handle(delivery).await?;
            }
            Ok(())
        };
        let passed = limited(CHECK, context.timeout(), caught(checking)).await;
        let result = match passed.as_ref().map_err(HandlerError::kind) {
            Ok(()) => "passed",
            Err(HandlerErrorKind::NotYet(_)) => "not_yet",
            Err(HandlerErrorKind::Transient) => "failed",
            Err(HandlerErrorKind::Permanent) => "refused",
        };
        telemetry::checked(delivery.provider().as_str(), result);
        passed
    }
}
