//! A single run, step by step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::{error, fmt};

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::DeliveryId;

use super::deliveries::DeliveredOrders;
use super::order::{Reconciled, received, reconcile};
use super::pager::endless;
use super::query::is_order_id;
use super::repair_guard::RepairGuard;
use super::slice::Slice;
use super::{
    Checkpoint, ClientError, Finding, Lookup, Lookups, OrderRow, OrderStatus, OrdersPager, OrdersQuery, Phase, Position,
    Reconciler, Summary,
};

/// A run of a [`Reconciler`] over a [window](super::Window), step by step.
#[derive(Debug)]
pub struct ReconcileRun {
    reconciler: Reconciler,
    checkpoint: Checkpoint,
    pager: OrdersPager,
    /// The page of orders that is only partly reconciled.
    current_page: Option<CurrentPage>,
    /// The guard of repairs, once it is needed.
    guard: Option<RepairGuard>,
}

#[derive(Debug)]
struct CurrentPage {
    rows: VecDeque<OrderRow>,
    /// Set if no page follows.
    is_last: bool,
    step: Step,
    /// The summary after this page.
    summary: Summary,
    /// The slice after this page.
    slice: Slice,
}

/// The result of one step of a [`ReconcileRun`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The findings of this step.
    pub findings: Vec<Finding>,
    /// The creation time of the last order, or the arrival time of the last delivery. Orders are read forwards, deliveries backwards.
    pub reached: Option<Timestamp>,
    /// The time before which all orders are reconciled or unfinished, after a step among the orders.
    pub(super) orders_until: Option<Timestamp>,
    /// The orders of this step that are not final or have findings, with the times of their creation.
    pub(super) unfinished: Vec<(OrderId, Timestamp)>,
    /// The other orders of this step.
    pub(super) finished: Vec<OrderId>,
}

/// The error of a step of a [`ReconcileRun`]. The run can continue.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// A request to Wert failed.
    Provider(Arc<ClientError>),
    /// The inbox could not be read or written.
    Inbox(StoreError),
}

impl ReconcileRun {
    pub(super) fn new(reconciler: Reconciler, checkpoint: Checkpoint) -> Self {
        let position = match &checkpoint.phase {
            Phase::Orders(position) => position.clone(),
            Phase::Deliveries(_) | Phase::Done => Position::End,
        };
        let pager = pager(&reconciler, &checkpoint).starting_at(position);
        Self { reconciler, checkpoint, pager, current_page: None, guard: None }
    }

    /// Leaves out the deliveries up to this one.
    pub(super) fn only_deliveries_after(&mut self, after: Option<DeliveryId>) {
        self.checkpoint.deliveries_after = after.map(DeliveryId::as_i64);
    }

    /// Returns the newest delivery of the window that precedes all later ones, once all deliveries are reconciled.
    pub(super) fn deliveries_until(&self) -> Option<DeliveryId> {
        self.checkpoint.deliveries_until.filter(|_| self.checkpoint.phase == Phase::Done).map(DeliveryId::from_i64)
    }

    /// Reconciles one more page, or returns `None` if the run is finished.
    ///
    /// Cancel-safe: after an error or a dropped call, the checkpoint is unchanged, and the next call continues. An order that the dropped
    /// call was just repairing may count as received.
    ///
    /// # Errors
    /// Fails if a request to Wert fails, or if the inbox cannot be read or written.
    pub async fn step(&mut self) -> Result<Option<Step>, ReconcileError> {
        match self.checkpoint.phase {
            Phase::Orders(_) => self.orders().await.map(Some),
            Phase::Deliveries(before) => self.deliveries(before.map(DeliveryId::from_i64)).await.map(Some),
            Phase::Done => Ok(None),
        }
    }

    /// Makes all remaining steps, and returns the summary of the run. Cancel-safe: the next call continues.
    ///
    /// # Errors
    /// Fails as [`step`](Self::step) does.
    pub async fn finish(&mut self) -> Result<&Summary, ReconcileError> {
        while self.step().await?.is_some() {}
        Ok(self.summary())
    }

    /// Returns the checkpoint from which the run can be resumed. Its summary covers everything before it.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the results so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.checkpoint.summary
    }

    async fn orders(&mut self) -> Result<Step, ReconcileError> {
        if self.current_page.is_none() && !self.next_page().await? {
            self.checkpoint.phase = Phase::Deliveries(None);
            return Ok(Step { orders_until: Some(self.checkpoint.window.until), ..Step::default() });
        }
        self.prepare_guard().await?;
        self.search_other_endpoints().await?;
        while let Some(row) = self.current_page.as_ref().and_then(|page| page.rows.front()) {
            let reconciled = reconcile(&self.reconciler, self.guard.as_mut(), row).await?;
            let Some(page) = &mut self.current_page else { break };
            page.finish_row(reconciled, self.reconciler.max_findings);
        }
        let Some(page) = self.current_page.take() else { return Ok(Step::default()) };
        self.checkpoint.phase = match page.is_last {
            true => Phase::Deliveries(None),
            false => Phase::Orders(self.pager.position().clone()),
        };
        (self.checkpoint.summary, self.checkpoint.slice) = (page.summary, page.slice);
        let orders_until = if page.is_last { self.checkpoint.window.until } else { self.checkpoint.slice.reached() };
        Ok(Step { orders_until: Some(orders_until), ..page.step })
    }

    /// Requests the next page of orders. Returns `false` if there is none.
    async fn next_page(&mut self) -> Result<bool, ReconcileError> {
        if self.pager.is_at_limit() {
            let next = self.checkpoint.slice.next();
            let one_second = || endless(format!("more than {} pages of orders of one second", self.reconciler.max_pages));
            self.checkpoint.slice = next.ok_or_else(|| ReconcileError::Provider(Arc::new(one_second())))?;
            self.pager = pager(&self.reconciler, &self.checkpoint);
            self.checkpoint.phase = Phase::Orders(Position::Start);
        }
        let page = self.pager.next_page().await.map_err(|error| ReconcileError::Provider(Arc::new(error)))?;
        let Some(rows) = page else { return Ok(false) };
        let until = self.checkpoint.window.until;
        let is_late = |row: &OrderRow| row.created_at.is_some_and(|created| created > until);
        // A provider that does not know the end of a query returns the orders after it, too.
        let is_last = rows.iter().any(is_late);
        let slice = self.checkpoint.slice.clone();
        let rows = rows.into_iter().filter(|row| !is_late(row) && !slice.has_seen(&row.order_id)).collect();
        let summary = self.checkpoint.summary.clone();
        self.current_page = Some(CurrentPage { rows, is_last, step: Step::default(), summary, slice });
        Ok(true)
    }

    /// Creates the guard of repairs, if there may be repairs.
    async fn prepare_guard(&mut self) -> Result<(), ReconcileError> {
        if self.checkpoint.repair && self.guard.is_none() {
            let beginning = match self.checkpoint.beginning {
                Some(beginning) => Timestamp::from_millis(beginning),
                None => self.reconciler.beginning().await.map_err(ReconcileError::Inbox)?,
            };
            self.checkpoint.beginning = Some(beginning.as_millis());
            let oldest_unfinished = self.reconciler.clock.now().before(self.reconciler.look_back);
            self.guard = Some(RepairGuard::new(beginning, self.checkpoint.window.since.min(oldest_unfinished)));
        }
        Ok(())
    }

    /// Searches the missing orders of the page at other endpoints, before any of them is repaired.
    async fn search_other_endpoints(&mut self) -> Result<(), ReconcileError> {
        let (Some(page), Some(guard)) = (&self.current_page, &mut self.guard) else { return Ok(()) };
        for row in page.rows.iter().filter(|row| row.status == Some(OrderStatus::Success)) {
            if guard.needs_search() && received(&self.reconciler, row).await?.is_none() {
                guard.search(&self.reconciler, row).await.map_err(ReconcileError::Inbox)?;
            }
        }
        Ok(())
    }

    /// Looks orders up again that were unfinished in an earlier run. An order that Wert does not return at the moment is in neither list of
    /// the step. Cancel-safe.
    pub(super) async fn look_again(&mut self, orders: &[OrderId]) -> Result<Step, ReconcileError> {
        self.prepare_guard().await?;
        let lookups = self.look_up(orders).await?;
        let mut step = Step::default();
        for order in orders {
            let mut guard = self.guard.as_mut();
            self.checkpoint.summary.orders += 1;
            let Some(Lookup::Found(row)) = lookups.get(order) else { continue };
            if let Some(guard) = &mut guard
                && received(&self.reconciler, row).await?.is_none()
            {
                guard.search(&self.reconciler, row).await.map_err(ReconcileError::Inbox)?;
            }
            let reconciled = reconcile(&self.reconciler, guard, row).await?;
            finish_row(row, reconciled, &mut step, &mut self.checkpoint.summary, self.reconciler.max_findings);
        }
        Ok(step)
    }

    async fn look_up(&self, orders: &[OrderId]) -> Result<Lookups, ReconcileError> {
        let mut lookups = Lookups::default();
        lookups.find(&self.reconciler.api, orders).await;
        match &lookups.unavailable {
            Some(error) => Err(ReconcileError::Provider(Arc::clone(error))),
            None => Ok(lookups),
        }
    }

    async fn deliveries(&mut self, before: Option<DeliveryId>) -> Result<Step, ReconcileError> {
        let delivered = DeliveredOrders::page(&self.reconciler, &self.checkpoint, before).await.map_err(ReconcileError::Inbox)?;
        let (ids, invalid): (Vec<_>, Vec<_>) = delivered.orders.iter().cloned().partition(|id| is_order_id(id.as_str()));
        let lookups = self.look_up(&ids).await?;
        let mut summary = self.checkpoint.summary.clone();
        let mut step = Step { reached: delivered.reached, ..Step::default() };
        for order in invalid.into_iter().chain(ids) {
            summary.deliveries += 1;
            let finding = match lookups.get(&order) {
                Some(Lookup::Found(row)) if self.is_in_window(row) => continue,
                Some(Lookup::Found(row)) => {
                    let reconciled = reconcile(&self.reconciler, None, row).await?;
                    finish_row(row, reconciled, &mut step, &mut summary, self.reconciler.max_findings);
                    continue;
                }
                Some(Lookup::OrderFailed(error)) => {
                    Finding::Unclear { order, reason: format!("cannot be looked up at Wert: {error}") }
                }
                Some(Lookup::Unknown | Lookup::ProviderFailed(_)) | None => Finding::UnknownToProvider { order },
            };
            summary.add(&finding, self.reconciler.max_findings);
            step.findings.push(finding);
        }
        self.checkpoint.summary = summary;
        self.checkpoint.deliveries_until = delivered.until.map(DeliveryId::as_i64);
        self.checkpoint.phase = delivered.next.map_or(Phase::Done, |next| Phase::deliveries(Some(next)));
        Ok(step)
    }

    /// Returns `true` if the order was reconciled as one of the window, as far as is known.
    fn is_in_window(&self, row: &OrderRow) -> bool {
        row.created_at.is_none_or(|created| self.checkpoint.window.contains(created))
    }
}

/// Returns a pager over the current slice.
fn pager(reconciler: &Reconciler, checkpoint: &Checkpoint) -> OrdersPager {
    let query = OrdersQuery::new().oldest_first().after(checkpoint.slice.after()).until(checkpoint.window.until);
    reconciler.api.pager(query.max_pages(reconciler.max_pages))
}

impl CurrentPage {
    fn finish_row(&mut self, reconciled: Reconciled, max_findings: usize) {
        let Some(row) = self.rows.pop_front() else { return };
        self.step.reached = row.created_at.or(self.step.reached);
        self.slice.note(&row);
        self.summary.orders += 1;
        finish_row(&row, reconciled, &mut self.step, &mut self.summary, max_findings);
    }
}

/// Counts and notes the result for an order.
fn finish_row(row: &OrderRow, reconciled: Reconciled, step: &mut Step, summary: &mut Summary, max_findings: usize) {
    let is_finished = match &reconciled {
        Reconciled::Agrees => row.status.as_ref().is_some_and(OrderStatus::is_final),
        Reconciled::TooRecent => false,
        Reconciled::Differs(finding) => !finding.is_open(),
    };
    match row.created_at {
        Some(created_at) if !is_finished => step.unfinished.push((row.order_id.clone(), created_at)),
        _ => step.finished.push(row.order_id.clone()),
    }
    match reconciled {
        Reconciled::Agrees => {}
        Reconciled::TooRecent => summary.too_recent += 1,
        Reconciled::Differs(finding) => {
            summary.add(&finding, max_findings);
            step.findings.push(finding);
        }
    }
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Inbox(error) => write!(f, "accessing the inbox: {error}"),
        }
    }
}

impl error::Error for ReconcileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Provider(error) => error.source(),
            Self::Inbox(error) => error.source(),
        }
    }
}
