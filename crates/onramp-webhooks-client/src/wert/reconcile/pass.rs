//! One comparison from its beginning to its end, step by step.

use std::collections::VecDeque;
use std::time::Duration;
use std::{error, fmt};

use onramp_webhooks::StoreError;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::OrderId;
use onramp_webhooks::inbox::DeliveryId;

use super::compared::{Compared, compare, was_received};
use super::completed::Completed;
use super::doubts::Doubts;
use super::{
    Checkpoint, ClientError, Finding, OrderRow, OrderStatus, OrdersQuery, OrdersWalk, Position, Reconciler, Stage, Summary,
};

/// One comparison of what Wert knows with what came in, from its beginning to its end.
#[derive(Debug)]
pub struct Pass {
    reconciler: Reconciler,
    checkpoint: Checkpoint,
    walk: OrdersWalk,
    /// The page that was read and not yet looked up to its end.
    under_way: Option<UnderWay>,
    doubts: Doubts,
}

#[derive(Debug)]
struct UnderWay {
    rows: VecDeque<OrderRow>,
    step: Step,
    /// As it will be when the page is done.
    summary: Summary,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// What it found.
    pub findings: Vec<Finding>,
    /// How far it came: the last order's creation, going forward, or the last delivery's arrival, going back.
    pub reached: Option<Timestamp>,
}

/// Why a pass could not go on. It stands where it stood.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Wert could not be asked.
    Provider(ClientError),
    /// The inbox could not be read or written.
    Inbox(StoreError),
}

impl Pass {
    pub(super) fn new(reconciler: Reconciler, checkpoint: Checkpoint) -> Self {
        let window = checkpoint.window;
        // Wert leaves the second out that an order has to be made after.
        let after = window.since.before(Duration::from_secs(1));
        let query = OrdersQuery::new().oldest_first().after(after).until(window.until).most_pages(reconciler.most_pages);
        let position = match &checkpoint.stage {
            Stage::Orders(position) => position.clone(),
            Stage::Deliveries(_) | Stage::Done => Position::End,
        };
        let walk = reconciler.api.walk(query).from(position);
        Self { reconciler, checkpoint, walk, under_way: None, doubts: Doubts::default() }
    }

    /// Compares one more page; `None`: all is done. After an error, and when the call is dropped, the pass stands where it stood, and the
    /// next call goes on.
    ///
    /// # Errors
    /// When Wert cannot be asked, or the inbox cannot be read or written.
    pub async fn step(&mut self) -> Result<Option<Step>, ReconcileError> {
        match self.checkpoint.stage {
            Stage::Orders(_) => self.orders().await.map(Some),
            Stage::Deliveries(before) => self.deliveries(before.map(DeliveryId::from_i64)).await.map(Some),
            Stage::Done => Ok(None),
        }
    }

    /// Makes all steps that are left, and answers what the whole pass found.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub async fn finish(&mut self) -> Result<&Summary, ReconcileError> {
        while self.step().await?.is_some() {}
        Ok(self.summary())
    }

    /// Where it stands: everything before was compared, and is in the summary.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What it has seen and found so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.checkpoint.summary
    }

    async fn orders(&mut self) -> Result<Step, ReconcileError> {
        if self.under_way.is_none() {
            let Some(rows) = self.walk.next_page().await.map_err(ReconcileError::Provider)? else {
                self.checkpoint.stage = Stage::Deliveries(None);
                return Ok(Step::default());
            };
            let summary = self.checkpoint.summary.clone();
            self.under_way = Some(UnderWay { rows: rows.into(), step: Step::default(), summary });
        }
        self.look_elsewhere().await?;
        while let Some(row) = self.under_way.as_ref().and_then(|page| page.rows.front()) {
            let compared = compare(&self.reconciler, &self.checkpoint, &mut self.doubts, row).await?;
            let Some(page) = &mut self.under_way else { break };
            page.noted(compared, self.reconciler.most_findings);
        }
        let done = self.under_way.take().map(|page| (page.step, page.summary));
        let (step, summary) = done.unwrap_or_default();
        self.checkpoint.summary = summary;
        self.checkpoint.stage = Stage::Orders(self.walk.position().clone());
        Ok(step)
    }

    /// Looks at a whole page before anything of it is repaired.
    async fn look_elsewhere(&mut self) -> Result<(), ReconcileError> {
        let looks = self.checkpoint.repair && self.doubts.look_on();
        let Some(page) = self.under_way.as_ref().filter(|_| looks) else { return Ok(()) };
        for row in &page.rows {
            if row.status == Some(OrderStatus::Success) && !was_received(&self.reconciler, row).await? {
                self.doubts.look_elsewhere(&self.reconciler, row).await.map_err(ReconcileError::Inbox)?;
            }
        }
        Ok(())
    }

    async fn deliveries(&mut self, before: Option<DeliveryId>) -> Result<Step, ReconcileError> {
        let (inbox, endpoint) = (&*self.reconciler.inbox, &*self.reconciler.endpoint);
        let (completed, page) =
            Completed::before(inbox, endpoint, self.checkpoint.window, before).await.map_err(ReconcileError::Inbox)?;
        let (to_ask, no_ids): (Vec<_>, Vec<_>) = completed.orders.iter().cloned().partition(can_be_searched);
        let known = self.reconciler.api.find_orders(&to_ask).await.map_err(ReconcileError::Provider)?;
        let unknown = no_ids.into_iter().chain(to_ask.into_iter().filter(|order| !known.contains_key(order)));
        let findings: Vec<_> = unknown.map(|order| Finding::UnknownToProvider { order }).collect();
        let summary = &mut self.checkpoint.summary;
        summary.deliveries += u64::try_from(completed.orders.len()).unwrap_or(u64::MAX);
        findings.iter().for_each(|finding| summary.note(finding, self.reconciler.most_findings));
        self.checkpoint.stage = completed.before.map_or(Stage::Done, |before| Stage::deliveries(Some(before)));
        Ok(Step { findings, reached: page.last().map(|record| record.received_at) })
    }
}

impl UnderWay {
    fn noted(&mut self, compared: Compared, most_findings: usize) {
        let row = self.rows.pop_front();
        self.step.reached = row.and_then(|row| row.created_at).or(self.step.reached);
        self.summary.orders += 1;
        match compared {
            Compared::Same => {}
            Compared::TooYoung => self.summary.too_young += 1,
            Compared::Found(finding) => {
                self.summary.note(&finding, most_findings);
                self.step.findings.push(finding);
            }
        }
    }
}

/// An event can bear anything as an id.
fn can_be_searched(order: &OrderId) -> bool {
    !order.as_str().trim().is_empty() && !order.as_str().contains(',')
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Inbox(error) => write!(f, "comparing with the inbox: {error}"),
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
