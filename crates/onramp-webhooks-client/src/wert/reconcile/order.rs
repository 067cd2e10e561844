//! Reconciling one order: comparing it with the inbox, and repairing it if it is missing.

use onramp_webhooks::WertEvent;
use onramp_webhooks::inbox::{Filter, Record, Recorded, State};
use onramp_webhooks::provider::ProviderEvent as _;
use onramp_webhooks::wert::completion_keys;

use super::repair_guard::RepairGuard;
use super::{Checkpoint, Finding, OrderRow, OrderStatus, ReconcileError, Reconciler, synthetic};

/// The result of reconciling one order.
pub(super) enum Reconciled {
    Agrees,
    TooRecent,
    Differs(Finding),
}

/// Compares an order with the inbox, and repairs it if repairs are enabled.
pub(super) async fn reconcile(
    reconciler: &Reconciler,
    checkpoint: &Checkpoint,
    guard: &mut RepairGuard,
    row: &OrderRow,
) -> Result<Reconciled, ReconcileError> {
    let order = row.order_id.clone();
    let status = row.status.as_ref().map(|status| status.as_str().to_owned());
    let is_complete = match row.status {
        Some(OrderStatus::Unknown(_)) | None => return Ok(Reconciled::Differs(Finding::Unclear { order, status })),
        Some(OrderStatus::Success) => true,
        Some(_) => false,
    };
    let finding = match (is_complete, received(reconciler, row).await?) {
        (false, None) => return Ok(Reconciled::Agrees),
        (true, Some(record)) => match objection(reconciler, row, &record).await? {
            None => return Ok(Reconciled::Agrees),
            Some(finding) => finding,
        },
        _ if is_recent(reconciler, row) => return Ok(Reconciled::TooRecent),
        (false, Some(_)) => Finding::StatusDiffers { order, status: status.unwrap_or_default() },
        (true, None) if checkpoint.repair => return repair(reconciler, checkpoint, guard, row).await,
        (true, None) => Finding::Missing { order },
    };
    Ok(Reconciled::Differs(finding))
}

/// Compares a complete order with its delivery. A body that was removed is not compared.
async fn objection(reconciler: &Reconciler, row: &OrderRow, record: &Record) -> Result<Option<Finding>, ReconcileError> {
    let order = row.order_id.clone();
    if !matches!(record.state, State::Handled | State::Pending | State::Leased | State::Retrying | State::Parked) {
        return Ok(Some(Finding::NotHandled { order, state: record.state.to_string() }));
    }
    let shown = reconciler.inbox.show(record.id).await.map_err(ReconcileError::Inbox)?;
    let event = shown.and_then(|record| WertEvent::read(&record.body?).ok());
    let Some(Ok(Some(purchase))) = event.map(|event| event.completed_purchase()) else { return Ok(None) };
    let differences: Vec<_> = reconciler.api.differences(&purchase, row).iter().map(ToString::to_string).collect();
    Ok((!differences.is_empty()).then_some(Finding::Differs { order, differences }))
}

fn is_recent(reconciler: &Reconciler, row: &OrderRow) -> bool {
    let changed = row.changed_at.max(row.created_at);
    changed.is_some_and(|changed| reconciler.clock.now().since(changed) < reconciler.grace)
}

/// Returns the completion event of the order, without its body.
pub(super) async fn received(reconciler: &Reconciler, row: &OrderRow) -> Result<Option<Record>, ReconcileError> {
    for key in completion_keys(&reconciler.endpoint, &row.order_id, row.click_id.as_ref(), row.transaction_id.as_ref()) {
        let mut records = reconciler.inbox.list(Filter::all().key(key).limit(1)).await.map_err(ReconcileError::Inbox)?;
        if let Some(record) = records.pop() {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Records a synthetic delivery. If the real one arrived meanwhile, the synthetic one is a duplicate, and there is no finding. If their
/// amounts differ, the synthetic one is kept as a conflict.
async fn repair(
    reconciler: &Reconciler,
    checkpoint: &Checkpoint,
    guard: &mut RepairGuard,
    row: &OrderRow,
) -> Result<Reconciled, ReconcileError> {
    let Reconciler { inbox, endpoint, clock, .. } = reconciler;
    let order = row.order_id.clone();
    let unrepairable = |order, reason| Ok(Reconciled::Differs(Finding::Unrepairable { order, reason }));
    if let Some(reason) = guard.objection(reconciler, checkpoint).await.map_err(ReconcileError::Inbox)? {
        return unrepairable(order, reason);
    }
    let delivery = match synthetic::delivery(row, endpoint, clock.now()) {
        Ok(delivery) => delivery,
        Err(reason) => return unrepairable(order, reason),
    };
    match inbox.record(delivery).await.map_err(ReconcileError::Inbox)? {
        Recorded::New(_) | Recorded::Spilled => Ok(Reconciled::Differs(Finding::Repaired { order })),
        Recorded::Conflict { .. } => unrepairable(order, "its event arrived meanwhile, with other amounts".to_owned()),
        _ => Ok(Reconciled::Agrees),
    }
}
