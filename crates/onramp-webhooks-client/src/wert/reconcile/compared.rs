//! One order, compared and perhaps repaired.

use onramp_webhooks::inbox::{Filter, Recorded};
use onramp_webhooks::wert::completion_keys;

use super::doubts::Doubts;
use super::{Checkpoint, Finding, OrderRow, OrderStatus, ReconcileError, Reconciler, synthetic};

/// What came of one order.
pub(super) enum Compared {
    Same,
    TooYoung,
    Found(Finding),
}

/// Compares one order, and repairs it if that is wanted.
pub(super) async fn compare(
    reconciler: &Reconciler,
    checkpoint: &Checkpoint,
    doubts: &mut Doubts,
    row: &OrderRow,
) -> Result<Compared, ReconcileError> {
    let order = row.order_id.clone();
    let status = row.status.as_ref().map(|status| status.as_str().to_owned());
    let is_complete = match row.status {
        Some(OrderStatus::Unknown(_)) | None => return Ok(Compared::Found(Finding::Unclear { order, status })),
        Some(OrderStatus::Success) => true,
        Some(_) => false,
    };
    let finding = match (is_complete, was_received(reconciler, row).await?) {
        (true, true) | (false, false) => return Ok(Compared::Same),
        _ if is_young(reconciler, row) => return Ok(Compared::TooYoung),
        (false, true) => Finding::StatusDiffers { order, status: status.unwrap_or_default() },
        (true, false) if checkpoint.repair => return repair(reconciler, checkpoint, doubts, row).await,
        (true, false) => Finding::Missing { order },
    };
    Ok(Compared::Found(finding))
}

fn is_young(reconciler: &Reconciler, row: &OrderRow) -> bool {
    let changed = row.changed_at.max(row.created_at);
    changed.is_some_and(|changed| reconciler.clock.now().since(changed) < reconciler.grace)
}

/// Whether the event of the order's completion is in the inbox.
pub(super) async fn was_received(reconciler: &Reconciler, row: &OrderRow) -> Result<bool, ReconcileError> {
    for key in completion_keys(&reconciler.endpoint, &row.order_id, row.transaction_id.as_ref()) {
        let records = reconciler.inbox.list(Filter::all().key(key).limit(1)).await.map_err(ReconcileError::Inbox)?;
        if !records.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records what is missing. What came in between is a duplicate, and no finding.
async fn repair(
    reconciler: &Reconciler,
    checkpoint: &Checkpoint,
    doubts: &mut Doubts,
    row: &OrderRow,
) -> Result<Compared, ReconcileError> {
    let Reconciler { inbox, endpoint, clock, .. } = reconciler;
    let order = row.order_id.clone();
    let unrepairable = |order, why| Ok(Compared::Found(Finding::Unrepairable { order, why }));
    if let Some(why) = doubts.why_not(reconciler, checkpoint).await.map_err(ReconcileError::Inbox)? {
        return unrepairable(order, why);
    }
    let made = match synthetic::delivery(row, endpoint, clock.now()) {
        Ok(made) => made,
        Err(why) => return unrepairable(order, why),
    };
    match inbox.record(made).await.map_err(ReconcileError::Inbox)? {
        Recorded::New(_) | Recorded::Spilled => Ok(Compared::Found(Finding::Repaired { order })),
        _ => Ok(Compared::Same),
    }
}
