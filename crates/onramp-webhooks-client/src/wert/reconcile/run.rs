//! A single run, step by step.

use std::collections::VecDeque;
use std::time::Duration;
use std::{error, fmt};

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::DeliveryId;

use super::deliveries::DeliveredOrders;
use super::order::{Reconciled, received, reconcile};
use super::query::is_search_term;
use super::repair_guard::RepairGuard;
use super::{
    Checkpoint, ClientError, Finding, OrderRow, OrderStatus, OrdersPager, OrdersQuery, Phase, Position, Reconciler, Summary,
};

/// A run of a [`Reconciler`] over a [window](super::Window), step by step.
#[derive(Debug)]
pub struct ReconcileRun {
    reconciler: Reconciler,
    checkpoint: Checkpoint,
    pager: OrdersPager,
    /// The page of orders that is only partly reconciled.
    current_page: Option<CurrentPage>,
    guard: RepairGuard,
}

#[derive(Debug)]
struct CurrentPage {
    rows: VecDeque<OrderRow>,
    step: Step,
    /// The summary after this page.
    summary: Summary,
}

/// The result of one step of a [`ReconcileRun`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The findings of this step.
    pub findings: Vec<Finding>,
    /// The creation time of the last order, or the arrival time of the last delivery. Orders are read forwards, deliveries backwards.
    pub reached: Option<Timestamp>,
}

/// The error of a step of a [`ReconcileRun`]. The run can continue.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// A request to Wert failed.
    Provider(ClientError),
    /// The inbox could not be read or written.
    Inbox(StoreError),
}

impl ReconcileRun {
    pub(super) fn new(reconciler: Reconciler, checkpoint: Checkpoint) -> Self {
        let window = checkpoint.window;
        // Wert excludes the second of `after` itself.
        let after = window.since.before(Duration::from_secs(1));
        let query = OrdersQuery::new().oldest_first().after(after).until(window.until).max_pages(reconciler.max_pages);
        let position = match &checkpoint.phase {
            Phase::Orders(position) => position.clone(),
            Phase::Deliveries(_) | Phase::Done => Position::End,
        };
        let pager = reconciler.api.pager(query).starting_at(position);
        Self { reconciler, checkpoint, pager, current_page: None, guard: RepairGuard::default() }
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
        if self.current_page.is_none() {
            let Some(rows) = self.pager.next_page().await.map_err(ReconcileError::Provider)? else {
                self.checkpoint.phase = Phase::Deliveries(None);
                return Ok(Step::default());
            };
            let summary = self.checkpoint.summary.clone();
            self.current_page = Some(CurrentPage { rows: rows.into(), step: Step::default(), summary });
        }
        self.search_other_endpoints().await?;
        while let Some(row) = self.current_page.as_ref().and_then(|page| page.rows.front()) {
            let reconciled = reconcile(&self.reconciler, &self.checkpoint, &mut self.guard, row).await?;
            let Some(page) = &mut self.current_page else { break };
            page.finish_row(reconciled, self.reconciler.max_findings);
        }
        let done = self.current_page.take().map(|page| (page.step, page.summary));
        let (step, summary) = done.unwrap_or_default();
        self.checkpoint.summary = summary;
        self.checkpoint.phase = Phase::Orders(self.pager.position().clone());
        Ok(step)
    }

    /// Searches the missing orders of the page at other endpoints, before any of them is repaired.
    async fn search_other_endpoints(&mut self) -> Result<(), ReconcileError> {
        let needs_search = self.checkpoint.repair && self.guard.needs_search();
        let Some(page) = self.current_page.as_ref().filter(|_| needs_search) else { return Ok(()) };
        for row in &page.rows {
            if row.status == Some(OrderStatus::Success) && received(&self.reconciler, row).await?.is_none() {
                self.guard.search(&self.reconciler, row).await.map_err(ReconcileError::Inbox)?;
            }
        }
        Ok(())
    }

    async fn deliveries(&mut self, before: Option<DeliveryId>) -> Result<Step, ReconcileError> {
        let (inbox, endpoint) = (&*self.reconciler.inbox, &*self.reconciler.endpoint);
        let (delivered, page) =
            DeliveredOrders::page(inbox, endpoint, self.checkpoint.window, before).await.map_err(ReconcileError::Inbox)?;
        let (ids, invalid): (Vec<_>, Vec<_>) = delivered.orders.iter().cloned().partition(|id| is_search_term(id.as_str()));
        let known = self.reconciler.api.find_orders(&ids).await.map_err(ReconcileError::Provider)?;
        let unknown = invalid.into_iter().chain(ids.into_iter().filter(|order| !known.contains_key(order)));
        let findings: Vec<_> = unknown.map(|order| Finding::UnknownToProvider { order }).collect();
        let summary = &mut self.checkpoint.summary;
        summary.deliveries += u64::try_from(delivered.orders.len()).unwrap_or(u64::MAX);
        findings.iter().for_each(|finding| summary.add(finding, self.reconciler.max_findings));
        self.checkpoint.phase = delivered.next.map_or(Phase::Done, |next| Phase::deliveries(Some(next)));
        Ok(Step { findings, reached: page.last().map(|record| record.received_at) })
    }
}

impl CurrentPage {
    fn finish_row(&mut self, reconciled: Reconciled, max_findings: usize) {
        let row = self.rows.pop_front();
        self.step.reached = row.and_then(|row| row.created_at).or(self.step.reached);
        self.summary.orders += 1;
        match reconciled {
            Reconciled::Agrees => {}
            Reconciled::TooRecent => self.summary.too_recent += 1,
            Reconciled::Differs(finding) => {
                self.summary.add(&finding, max_findings);
                self.step.findings.push(finding);
            }
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
