//! Reconciling one order: comparing it with the inbox, and repairing it if it is missing.

use onramp_webhooks::WertEvent;
use onramp_webhooks::event::{CompletedPurchase, UnclearPurchase};
use onramp_webhooks::inbox::{DeadCause, Filter, Record, Recorded, State, find_first};
use onramp_webhooks::provider::ProviderEvent as _;
use onramp_webhooks::wert::completion_keys;

use super::repair_guard::RepairGuard;
use super::{Finding, OrderRow, OrderStatus, ReconcileError, Reconciler, synthetic};

/// The result of reconciling one order.
pub(super) enum Reconciled {
    Agrees,
    TooRecent,
    Differs(Finding),
}

/// Compares an order with the inbox, and repairs it if there is a guard.
pub(super) async fn reconcile(
    reconciler: &Reconciler,
    guard: Option<&mut RepairGuard>,
    row: &OrderRow,
) -> Result<Reconciled, ReconcileError> {
    let order = row.order_id.clone();
    let is_complete = match &row.status {
        Some(OrderStatus::Unknown(status)) => return Ok(unclear(row, format!("has the unknown status {status:?} at Wert"))),
        None => return Ok(unclear(row, "has no status at Wert".to_owned())),
        Some(status) => *status == OrderStatus::Success,
    };
    let first = received(reconciler, row).await?;
    let counts = match &first {
        Some(first) if is_complete && is_refused(first) => other_that_counts(reconciler, row).await?,
        _ => None,
    };
    let refused = first.clone().filter(|first| is_complete && counts.is_none() && is_refused(first));
    let finding = match (is_complete, counts.or(first)) {
        (false, None) => return Ok(Reconciled::Agrees),
        (true, Some(record)) if refused.is_none() => match objection(reconciler, row, &record).await? {
            None => return Ok(Reconciled::Agrees),
            Some(finding) => finding,
        },
        _ if is_recent(reconciler, row) => return Ok(Reconciled::TooRecent),
        (false, Some(_)) => Finding::StatusDiffers { order, status: status(row) },
        (true, first) => match (guard, first) {
            // An operator who resolved the event may have credited it.
            (_, Some(first)) if first.resolved_at.is_some() => not_handled(row, &first),
            (Some(guard), _) => return repair(reconciler, guard, row, refused.as_ref()).await,
            (None, Some(first)) => not_handled(row, &first),
            (None, None) => Finding::Missing { order },
        },
    };
    Ok(Reconciled::Differs(finding))
}

fn unclear(row: &OrderRow, reason: String) -> Reconciled {
    Reconciled::Differs(Finding::Unclear { order: row.order_id.clone(), reason })
}

fn status(row: &OrderRow) -> String {
    row.status.as_ref().map(|status| status.as_str().to_owned()).unwrap_or_default()
}

fn not_handled(row: &OrderRow, record: &Record) -> Finding {
    let resolved = if record.resolved_at.is_some() { ", resolved" } else { "" };
    Finding::NotHandled { order: row.order_id.clone(), state: format!("{}{resolved}", record.state) }
}

/// Returns `true` if a check refused the event, so that no handler got it.
fn is_refused(record: &Record) -> bool {
    record.state == State::Dead && record.cause == Some(DeadCause::RefusedByCheck)
}

/// Returns `true` if the event was handled or waits to be.
fn counts(record: &Record) -> bool {
    matches!(record.state, State::Handled | State::Pending | State::Leased | State::Retrying | State::Parked)
}

/// Returns another delivery of the order that was handled or waits to be: a conflict that was replayed, or a repair.
async fn other_that_counts(reconciler: &Reconciler, row: &OrderRow) -> Result<Option<Record>, ReconcileError> {
    let mut next = Some(Filter::all().endpoint(&*reconciler.endpoint).event_type("order_complete").about(row.order_id.as_str()));
    while let Some(filter) = next {
        let page = reconciler.inbox.list(filter.clone()).await.map_err(ReconcileError::Inbox)?;
        if let Some(found) = page.records.iter().find(|record| counts(record)) {
            return Ok(Some(found.clone()));
        }
        next = filter.following(&page);
    }
    Ok(None)
}

/// Compares a complete order with its delivery. A body that was removed is not compared.
async fn objection(reconciler: &Reconciler, row: &OrderRow, record: &Record) -> Result<Option<Finding>, ReconcileError> {
    if !counts(record) {
        return Ok(Some(not_handled(row, record)));
    }
    let shown = reconciler.inbox.show(record.id).await.map_err(ReconcileError::Inbox)?;
    let event = shown.and_then(|record| WertEvent::read(&record.body?).ok());
    let Some(Ok(Some(purchase))) = event.map(|event| purchase_of(&event, row)) else { return Ok(None) };
    let differences: Vec<_> = reconciler.api.differences(&purchase, row).iter().map(ToString::to_string).collect();
    Ok((!differences.is_empty()).then(|| Finding::Differs { order: row.order_id.clone(), differences }))
}

/// Returns the purchase of an event. The order's currency tells what was paid if the event does not.
pub(super) fn purchase_of(event: &WertEvent, row: &OrderRow) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
    event.completed_purchase().or_else(|unclear| unclear.paid_in(row.currency.as_slice()).map(Some))
}

fn is_recent(reconciler: &Reconciler, row: &OrderRow) -> bool {
    let changed = row.changed_at.max(row.created_at);
    changed.is_some_and(|changed| reconciler.clock.now().since(changed) < reconciler.grace)
}

/// Returns the completion event of the order, without its body.
pub(super) async fn received(reconciler: &Reconciler, row: &OrderRow) -> Result<Option<Record>, ReconcileError> {
    for key in completion_keys(&reconciler.endpoint, &row.order_id, row.click_id.as_ref(), row.transaction_id.as_ref()) {
        let found = find_first(&*reconciler.inbox, Filter::all().key(key)).await.map_err(ReconcileError::Inbox)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Records a synthetic delivery. If the real one arrived meanwhile, the synthetic one is a duplicate, and there is no finding. If their
/// amounts differ, the synthetic one is kept as a conflict.
///
/// If a check has refused the event, the synthetic delivery gets the key of its repair, because the refused event keeps its own. The order has
/// one such key, so it is repaired once, and neither the refused event nor the real one can be replayed beside it by mistake.
async fn repair(
    reconciler: &Reconciler,
    guard: &mut RepairGuard,
    row: &OrderRow,
    refused: Option<&Record>,
) -> Result<Reconciled, ReconcileError> {
    let order = row.order_id.clone();
    let unrepairable = |reason| match refused {
        Some(refused) => Ok(Reconciled::Differs(not_handled(row, refused))),
        None => Ok(Reconciled::Differs(Finding::Unrepairable { order: order.clone(), reason })),
    };
    if let Some(reason) = guard.objection(reconciler, row).await.map_err(ReconcileError::Inbox)? {
        return unrepairable(reason);
    }
    let mut delivery = match synthetic::delivery(row, &reconciler.endpoint, reconciler.clock.now()) {
        Ok(delivery) => delivery,
        Err(reason) => return unrepairable(reason),
    };
    if refused.is_some() {
        delivery.key = delivery.key.map(|key| key.repair());
    }
    match reconciler.inbox.record(delivery).await.map_err(ReconcileError::Inbox)? {
        Recorded::New(_) | Recorded::Spilled => Ok(Reconciled::Differs(Finding::Repaired { order })),
        Recorded::Conflict { .. } => unrepairable("its event arrived meanwhile, with other amounts".to_owned()),
        _ if refused.is_some() => unrepairable(String::new()),
        _ => Ok(Reconciled::Agrees),
    }
}
