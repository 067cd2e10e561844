//! A ledger in the database of an inbox, and its type-erased form for the cases.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::inbox::{Inbox, Lease, TransactionalInbox};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks::{Delivery, HandlerError, StoreError, TransactionalHandler};

use super::overlaps::Running;
use crate::tools::at;

type Transaction<L> = <<L as Ledger>::Inbox as TransactionalInbox>::Transaction;

/// A table in the database of an inbox, which is written in the inbox's transactions.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// The inbox.
    type Inbox: TransactionalInbox;

    /// Returns the inbox in the same database.
    fn inbox(&self) -> Arc<Self::Inbox>;

    /// Adds a row with an amount in cents.
    ///
    /// # Errors
    /// Returns an error if the statement fails.
    async fn credit(&self, transaction: &mut Transaction<Self>, cents: i64) -> Result<(), HandlerError>
    where
        Self: Sized;

    /// Runs a statement that fails, such as one that breaks a constraint.
    ///
    /// # Errors
    /// Always returns an error.
    async fn fail(&self, transaction: &mut Transaction<Self>) -> Result<(), HandlerError>
    where
        Self: Sized;

    /// Runs `COMMIT`, which handlers must not do.
    ///
    /// # Errors
    /// Returns an error if the store refuses the statement.
    async fn end(&self, transaction: &mut Transaction<Self>) -> Result<(), HandlerError>
    where
        Self: Sized;

    /// Returns the sum of all committed rows, in cents.
    async fn total(&self) -> i64;
}

/// The behaviour of a handler for one delivery.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Plan {
    Credit,
    CreditSlowly,
    CreditAndFail,
    CreditAndPanic,
    CreditAndHang,
    End,
    EndAndFail,
}

/// The behaviour of a handler for each delivery.
pub(super) type Script = fn(&Delivery) -> Plan;

/// A ledger of any type.
#[async_trait]
pub trait Shop: Send + Sync {
    /// The inbox.
    fn inbox(&self) -> Arc<dyn Inbox>;
    #[doc(hidden)]
    fn worker(&self, script: Script) -> WorkerBuilder;
    #[doc(hidden)]
    async fn begin(&self) -> Box<dyn Open>;
    /// Returns the sum of all committed rows, in cents.
    async fn total(&self) -> i64;
    /// Returns the largest number of handlers of one order that ran at the same time.
    #[doc(hidden)]
    fn at_the_same_time(&self) -> usize;
}

/// An open transaction of any type.
#[async_trait]
pub trait Open: Send {
    #[doc(hidden)]
    async fn credit(&mut self, cents: i64) -> Result<(), HandlerError>;
    #[doc(hidden)]
    async fn fail(&mut self) -> Result<(), HandlerError>;
    #[doc(hidden)]
    async fn end(&mut self) -> Result<(), HandlerError>;
    #[doc(hidden)]
    async fn complete(self: Box<Self>, seconds: i64, lease: Lease) -> Result<bool, StoreError>;
    #[doc(hidden)]
    async fn roll_back(self: Box<Self>) -> Result<(), StoreError>;
}

pub(super) struct Erased<L>(Arc<L>, Arc<Running>);

impl<L> Erased<L> {
    pub(super) fn new(ledger: L) -> Self {
        Self(Arc::new(ledger), Arc::default())
    }
}

#[async_trait]
impl<L: Ledger> Shop for Erased<L> {
    fn inbox(&self) -> Arc<dyn Inbox> {
        self.0.inbox()
    }

    fn worker(&self, script: Script) -> WorkerBuilder {
        let scripted = Scripted { ledger: Arc::clone(&self.0), running: Arc::clone(&self.1), script };
        WorkerBuilder::transactional(self.0.inbox(), scripted)
    }

    async fn begin(&self) -> Box<dyn Open> {
        let open = self.0.inbox().begin(Duration::from_secs(30)).await.unwrap();
        Box::new(Opened { ledger: Arc::clone(&self.0), open })
    }

    async fn total(&self) -> i64 {
        self.0.total().await
    }

    fn at_the_same_time(&self) -> usize {
        self.1.most()
    }
}

struct Opened<L: Ledger> {
    ledger: Arc<L>,
    open: <L::Inbox as TransactionalInbox>::Open,
}

#[async_trait]
impl<L: Ledger> Open for Opened<L> {
    async fn credit(&mut self, cents: i64) -> Result<(), HandlerError> {
        self.ledger.credit(self.open.as_mut(), cents).await
    }

    async fn fail(&mut self) -> Result<(), HandlerError> {
        self.ledger.fail(self.open.as_mut()).await
    }

    async fn end(&mut self) -> Result<(), HandlerError> {
        self.ledger.end(self.open.as_mut()).await
    }

    async fn complete(self: Box<Self>, seconds: i64, lease: Lease) -> Result<bool, StoreError> {
        self.ledger.inbox().complete(self.open, at(seconds), lease).await
    }

    async fn roll_back(self: Box<Self>) -> Result<(), StoreError> {
        self.ledger.inbox().roll_back(self.open).await
    }
}

struct Scripted<L> {
    ledger: Arc<L>,
    running: Arc<Running>,
    script: Script,
}

#[async_trait]
impl<L: Ledger> TransactionalHandler<Transaction<L>> for Scripted<L> {
    async fn handle(&self, delivery: &Delivery, transaction: &mut Transaction<L>) -> Result<(), HandlerError> {
        let _running = self.running.begin(delivery);
        let plan = (self.script)(delivery);
        self.ledger.credit(transaction, 100).await?;
        match plan {
            Plan::Credit => Ok(()),
            Plan::CreditSlowly => {
                tokio::time::sleep(Duration::from_millis(3)).await;
                Ok(())
            }
            Plan::CreditAndFail => Err(HandlerError::transient("out of order")),
            Plan::CreditAndPanic => panic!("the handler's own bug"),
            Plan::CreditAndHang => pending().await,
            Plan::End => {
                // This handler ignores the error.
                let _ = self.ledger.end(transaction).await;
                Ok(())
            }
            Plan::EndAndFail => {
                let _ = self.ledger.end(transaction).await;
                Err(HandlerError::transient("out of order"))
            }
        }
    }
}
