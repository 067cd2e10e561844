//! Reading single deliveries, and the errors of an inbox.

use onramp_webhooks::inbox::{DeliveryId, Filter, Record};
use onramp_webhooks::{Inbox, StoreError, StoreErrorKind};

use crate::exit::{Causes, CliError};

/// Reads a delivery without its body.
pub(super) async fn head(inbox: &dyn Inbox, id: DeliveryId) -> Result<Option<Record>, StoreError> {
    let (before, after) = (id.as_i64().saturating_add(1), id.as_i64().saturating_sub(1));
    let filter = Filter::all().after(DeliveryId::from_i64(after)).before(DeliveryId::from_i64(before)).limit(1);
    Ok(inbox.list(filter).await?.records.pop())
}

/// Reads a delivery with its body.
pub(super) async fn whole(inbox: &dyn Inbox, id: DeliveryId) -> Result<Record, CliError> {
    inbox.show(id).await.map_err(failed)?.ok_or_else(|| not_found(id))
}

pub(super) fn not_found(id: DeliveryId) -> CliError {
    CliError::Failed(format!("there is no delivery {id}"))
        .hint("onramp-webhooks inbox list shows the newest ones, and inbox find searches for an order")
}

/// Returns the error of a call that reads or writes the inbox.
pub(crate) fn failed(error: StoreError) -> CliError {
    match error.kind() {
        StoreErrorKind::Refused => CliError::Refused(Causes(&error).to_string()),
        StoreErrorKind::ReadOnly => CliError::Failed(Causes(&error).to_string())
            .hint("commands that change something need a database that can be written"),
        _ => CliError::Failed(Causes(&error).to_string()),
    }
}
