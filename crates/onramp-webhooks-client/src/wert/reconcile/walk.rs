//! A walk over Wert's orders, page by page, each looked up in the inbox.

use std::sync::Arc;
use std::{error, fmt};

use onramp_webhooks::{Inbox, StoreError};

use super::super::{OrderRow, OrdersQuery, OrdersWalk, Position, WertDataApi};
use super::{Finding, Received};
use crate::error::ClientError;

/// A walk over Wert's orders, each looked up in an inbox.
///
/// Ask only for orders that have had time for their events to come and to be tried again, which at Wert can take 15 hours, with
/// [`until`](OrdersQuery::until), and for the oldest first.
///
/// ```
/// use std::sync::Arc;
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks_client::wert::{Finding, OrdersQuery, Position, WertDataApi};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::provider::FakeProvider;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let provider = FakeProvider::start().await;
/// provider.add_order(&WertOrder::new(), "success");
/// let wert = WertDataApi::at(provider.url(), FakeProvider::API_KEY).build()?;
/// let query = OrdersQuery::new().oldest_first();
/// let mut reconciliation = wert.reconcile(query, Arc::new(MemoryInbox::new()), "wert", Position::Start);
/// while let Some(findings) = reconciliation.next_page().await? {
///     for finding in findings {
///         assert!(matches!(finding, Finding::Missing { .. }));
///     }
///     // Write `reconciliation.position()` down, to go on there after a crash.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reconciliation {
    walk: OrdersWalk,
    inbox: Arc<dyn Inbox>,
    endpoint: String,
    /// Before the page that is under way.
    position: Position,
    /// The page that was read and not yet looked up to its end.
    under_way: Option<Vec<OrderRow>>,
}

/// Why a reconciliation could not go on. It stands where it stood.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Wert could not be asked.
    Provider(ClientError),
    /// The inbox could not be read.
    Inbox(StoreError),
}

impl WertDataApi {
    /// Compares the orders that `query` asks for with what came in at `endpoint` of `inbox`, from `position` on.
    #[must_use]
    pub fn reconcile(
        &self,
        query: OrdersQuery,
        inbox: Arc<dyn Inbox>,
        endpoint: impl Into<String>,
        position: Position,
    ) -> Reconciliation {
        let walk = self.walk(query).from(position.clone());
        Reconciliation { walk, inbox, endpoint: endpoint.into(), position, under_way: None }
    }
}

impl Reconciliation {
    /// What is to be said of the next page's orders; `None` after the last page. After an error, and when the call is dropped, it
    /// stands where it stood, and the next call asks again.
    ///
    /// # Errors
    /// When Wert cannot be asked, or the inbox cannot be read.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Finding>>, ReconcileError> {
        if self.under_way.is_none() {
            self.under_way = self.walk.next_page().await.map_err(ReconcileError::Provider)?;
        }
        let Some(rows) = &self.under_way else { return Ok(None) };
        let mut findings = Vec::new();
        for row in rows {
            let received = Received::look_up(&*self.inbox, &self.endpoint, row).await;
            findings.extend(received.map_err(ReconcileError::Inbox)?.compare(row));
        }
        self.under_way = None;
        self.position = self.walk.position().clone();
        Ok(Some(findings))
    }

    /// Where it stands: everything before was compared and told.
    #[must_use]
    pub const fn position(&self) -> &Position {
        &self.position
    }
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Inbox(error) => write!(f, "looking an order up: {error}"),
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
