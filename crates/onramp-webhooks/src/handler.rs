//! What a shop implements: one function that is called once for every event, with or without a transaction.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::delivery::Delivery;

/// Handles events.
///
/// `Ok` completes the delivery for good. A crash between the handler's own writes and the completion runs the handler again, so
/// write under [`Delivery::key`], which is the same at every attempt; or write into the database that the inbox is in, with a
/// [`TransactionalHandler`].
///
/// ```
/// use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
///
/// struct Shop;
///
/// #[async_trait]
/// impl Handler for Shop {
///     async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
///         if let Some(purchase) = delivery.event().completed_purchase()? {
///             println!("{} paid {} for {}", purchase.customer, purchase.fiat, purchase.crypto);
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. Events of one order never run at the same time; others do.
    ///
    /// The call is dropped at its next await when it takes longer than the worker's attempt timeout, or the shutdown's grace.
    ///
    /// # Errors
    /// See [`HandlerError`]: every error of another type becomes a transient one with `?`. A panic is a transient one, too.
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError>;
}

#[async_trait]
impl<H: Handler + ?Sized> Handler for Arc<H> {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        (**self).handle(delivery).await
    }
}

/// Handles events, and writes through the very transaction in which the delivery is completed: both are committed, or neither. So what
/// it writes there happens exactly once, whatever crashes.
///
/// `Tx` is the transaction of a [`TransactionalInbox`](crate::inbox::TransactionalInbox): `PostgresTransaction` with
/// `onramp-webhooks-postgres`, and `SqliteTransaction` with `onramp-webhooks-sqlite`. The documentation of these crates has the code to
/// type; the worker comes from [`Receiver::transactional_worker`](crate::Receiver::transactional_worker), or from
/// [`WorkerBuilder::transactional`](crate::worker::WorkerBuilder::transactional) in a process that only handles.
///
/// What happens anywhere else (a mail, a call of another service, a write through another connection) happens at least once, as with a
/// [`Handler`]: let it be done by whoever finds the row that was committed.
///
/// The transaction is the worker's. A handler must not end it, as with `COMMIT` in SQL: that is found out at the end, and then the
/// delivery becomes a dead letter at once, because nobody knows any more what happened of it. Savepoints are the handler's to use.
#[async_trait]
pub trait TransactionalHandler<Tx>: Send + Sync + 'static
where
    Tx: Send,
{
    /// Handles one event. Events of one order never run at the same time; others do. Whatever does not return `Ok` is rolled back.
    ///
    /// The call is dropped at its next await when it and the commit take longer than the worker's attempt timeout, or the shutdown's
    /// grace, and when another worker took the delivery over.
    ///
    /// # Errors
    /// As for a [`Handler`]: every error of another type becomes a transient one with `?`. An error that leaves the transaction unable
    /// to commit fails the attempt even if the handler goes on and returns `Ok`.
    async fn handle(&self, delivery: &Delivery, transaction: &mut Tx) -> Result<(), HandlerError>;

    /// Called when what [`handle`](Self::handle) wrote has been committed, to tell somebody who can do without it: a crash in between,
    /// or a commit whose answer was lost, and it is not called. Must not block. A panic in it changes nothing.
    fn committed(&self, _delivery: &Delivery) {}
}

#[async_trait]
impl<Tx: Send, H: TransactionalHandler<Tx> + ?Sized> TransactionalHandler<Tx> for Arc<H> {
    async fn handle(&self, delivery: &Delivery, transaction: &mut Tx) -> Result<(), HandlerError> {
        (**self).handle(delivery, transaction).await
    }

    fn committed(&self, delivery: &Delivery) {
        (**self).committed(delivery);
    }
}

/// Why an event was not handled, and what should become of it.
///
/// Does not implement [`Error`] itself, so that `?` turns every error into a transient one.
#[derive(Debug)]
pub struct HandlerError {
    pub(crate) kind: HandlerErrorKind,
    pub(crate) cause: Box<dyn Error + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerErrorKind {
    Transient,
    Permanent,
    NotYet(Duration),
}

impl HandlerError {
    /// Worth another try: retried with growing pauses until the attempts are used up.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::Transient, cause: cause.into() }
    }

    /// Refused for good: a dead letter at once, for a person to look at.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::Permanent, cause: cause.into() }
    }

    /// Too early (the shop's own row is not there yet, the provider has not confirmed): parked for `pause`, and the attempt does
    /// not count.
    pub fn not_yet(pause: Duration, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::NotYet(pause), cause: cause.into() }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::transient(error)
    }
}

impl fmt::Display for HandlerError {
    /// The cause and the causes behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        let mut cause = self.cause.source();
        while let Some(deeper) = cause {
            write!(f, ": {deeper}")?;
            cause = deeper.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the points could not be written")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn question_mark_makes_any_error_transient_with_all_its_causes() {
        fn handle() -> Result<(), HandlerError> {
            Err(Outer(std::io::Error::other("disk on fire")))?;
            Ok(())
        }
        let error = handle().unwrap_err();
        assert_eq!(error.kind, HandlerErrorKind::Transient);
        assert_eq!(error.to_string(), "the points could not be written: disk on fire");
    }
}
