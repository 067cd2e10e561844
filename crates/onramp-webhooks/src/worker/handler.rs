//! Handlers: the code of a shop that is called for every event.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Delivery;
use crate::event::{MissingCustomer, UnclearPurchase, UnitsError};

/// Handles events.
///
/// `Ok` completes the delivery. If the process crashes between the writes of the handler and the completion, the handler runs
/// again. Use [`Delivery::key`], which is the same at every attempt, as the key of the writes, or write into the database of the
/// inbox with a [`TransactionalHandler`].
///
/// ```
/// use onramp_webhooks::{async_trait, Delivery, Handler, HandlerError};
///
/// struct Shop;
///
/// #[async_trait]
/// impl Handler for Shop {
///     async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
///         if let Some(purchase) = delivery.completed_purchase()? {
///             println!("{} paid {} for {}", purchase.customer_id()?, purchase.fiat, purchase.crypto);
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. Events of one order are never handled at the same time; other events are.
    ///
    /// The call is dropped at its next await if it takes longer than the worker's attempt timeout or the grace of a shutdown.
    ///
    /// # Errors
    /// See [`HandlerError`]: `?` turns every other error into a transient one. A panic counts as a transient error.
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError>;
}

#[async_trait]
impl<H: Handler + ?Sized> Handler for Arc<H> {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        (**self).handle(delivery).await
    }
}

/// Handles events in the transaction that completes the delivery.
///
/// The writes and the completion are committed together or not at all, so the writes happen exactly once, even if the process
/// crashes.
///
/// `Tx` is the transaction of a [`TransactionalInbox`](crate::inbox::TransactionalInbox): `SqliteTransaction` of
/// `onramp-webhooks-sqlite` or `PostgresTransaction` of `onramp-webhooks-postgres`, whose documentation has examples. Start the worker
/// with [`Receiver::transactional_worker`](crate::Receiver::transactional_worker), or with
/// [`WorkerBuilder::transactional`](crate::worker::WorkerBuilder::transactional) in a process that only handles.
///
/// Effects outside the transaction (a mail, a call of another service, a write through another connection) happen at least once, as
/// with a [`Handler`]. To have such an effect only once, let a separate job perform it from the committed row.
///
/// The transaction belongs to the worker. A handler must not end it, for example with `COMMIT` in SQL. If it does, the worker
/// detects it, and the delivery becomes a dead letter because its result is unknown. Savepoints are allowed.
#[async_trait]
pub trait TransactionalHandler<Tx>: Send + Sync + 'static
where
    Tx: Send,
{
    /// Handles one event. Events of one order are never handled at the same time; other events are. Writes are rolled back unless
    /// the result is `Ok`.
    ///
    /// The call is dropped at its next await if it and the commit take longer than the worker's attempt timeout or the grace of a
    /// shutdown, or if another worker has taken over the delivery.
    ///
    /// # Errors
    /// As for a [`Handler`]. An error that leaves the transaction unable to commit fails the attempt even if the handler returns `Ok`.
    async fn handle(&self, delivery: &Delivery, transaction: &mut Tx) -> Result<(), HandlerError>;

    /// Called after the writes of [`handle`](Self::handle) were committed, for notifications that may be lost. It is not called if
    /// the process crashes in between, or if the response to the commit is lost. Must not block. A panic in it has no effect.
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

/// Error returned by a handler, with its effect on the event.
///
/// `?` turns every error into a transient one, including `anyhow::Error`, boxed errors and strings. Errors of this crate that a
/// retry cannot fix ([`UnclearPurchase`], [`MissingCustomer`], [`UnitsError`]) become permanent. Use [`ResultExt`] to choose the
/// kind explicitly.
///
/// It does not implement [`Error`], because that would rule out this conversion.
#[derive(Debug)]
pub struct HandlerError {
    kind: HandlerErrorKind,
    cause: Box<dyn Error + Send + Sync>,
}

/// The effect of a [`HandlerError`] on its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerErrorKind {
    /// The event is retried with growing pauses until the attempts are used up.
    Transient,
    /// The event becomes a dead letter at once.
    Permanent,
    /// The event is parked for this duration, at least one second; the attempt does not count.
    NotYet(Duration),
}

impl HandlerError {
    /// Creates an error that is retried with growing pauses until the attempts are used up.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::Transient, cause: cause.into() }
    }

    /// Creates an error that makes the delivery a dead letter at once, for an operator.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::Permanent, cause: cause.into() }
    }

    /// Creates an error that parks the delivery for `pause`, at least one second, without counting the attempt, for example because the
    /// shop's own row does not exist yet or the provider has not confirmed the purchase.
    ///
    /// A delivery can be parked until seven days after its arrival
    /// ([`WorkerBuilder::longest_park`](crate::worker::WorkerBuilder::longest_park)).
    pub fn not_yet(pause: Duration, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: HandlerErrorKind::NotYet(pause), cause: cause.into() }
    }

    /// Returns the effect on the event.
    #[must_use]
    pub const fn kind(&self) -> HandlerErrorKind {
        self.kind
    }

    /// Returns the cause.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let cause = error.into();
        if is_final(&*cause) { Self::permanent(cause) } else { Self::transient(cause) }
    }
}

/// Returns `true` if a retry cannot fix the error.
fn is_final(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.is::<UnclearPurchase>() || error.is::<MissingCustomer>() || error.is::<UnitsError>()
}

impl fmt::Display for HandlerError {
    /// Formats the cause and its sources.
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

/// Converts errors to [`HandlerError`]s of a chosen kind.
///
/// ```
/// use std::time::Duration;
/// use onramp_webhooks::{HandlerError, HandlerErrorKind, ResultExt};
///
/// fn parse(text: &str) -> Result<u32, HandlerError> {
///     text.parse::<u32>().permanent()
/// }
///
/// fn find(row: Option<u32>) -> Result<u32, HandlerError> {
///     row.ok_or("the row is not there yet").not_yet(Duration::from_secs(5))
/// }
///
/// assert_eq!(parse("x").unwrap_err().kind(), HandlerErrorKind::Permanent);
/// assert_eq!(find(None).unwrap_err().kind(), HandlerErrorKind::NotYet(Duration::from_secs(5)));
/// ```
pub trait ResultExt<T> {
    /// Makes the error [transient](HandlerError::transient).
    ///
    /// # Errors
    /// Returns an error if `self` is an error.
    fn transient(self) -> Result<T, HandlerError>;

    /// Makes the error [permanent](HandlerError::permanent).
    ///
    /// # Errors
    /// Returns an error if `self` is an error.
    fn permanent(self) -> Result<T, HandlerError>;

    /// Makes the error a [`not_yet`](HandlerError::not_yet) with this pause.
    ///
    /// # Errors
    /// Returns an error if `self` is an error.
    fn not_yet(self, pause: Duration) -> Result<T, HandlerError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn transient(self) -> Result<T, HandlerError> {
        self.map_err(HandlerError::transient)
    }

    fn permanent(self) -> Result<T, HandlerError> {
        self.map_err(HandlerError::permanent)
    }

    fn not_yet(self, pause: Duration) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError::not_yet(pause, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CompletedPurchase, CustomerReference, Money};

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
        assert_eq!(error.kind(), HandlerErrorKind::Transient);
        assert_eq!(error.to_string(), "the points could not be written: disk on fire");
    }

    #[test]
    fn boxed_errors_are_transient_and_errors_that_no_retry_fixes_are_permanent() {
        let boxed: Box<dyn Error + Send + Sync> = "boxed".into();
        assert_eq!(HandlerError::from(boxed).kind(), HandlerErrorKind::Transient);
        assert_eq!(HandlerError::from("a text").kind(), HandlerErrorKind::Transient);
        assert_eq!(HandlerError::from(MissingCustomer).kind(), HandlerErrorKind::Permanent);
        assert_eq!(HandlerError::from(UnitsError::Inexact).kind(), HandlerErrorKind::Permanent);
        let money = |code: &str| Money::new("1".parse().unwrap(), code.into());
        let purchase = CompletedPurchase::new(CustomerReference::default(), money("EUR"), money("USD"));
        assert_eq!(HandlerError::from(purchase.with_fiat_found().unwrap_err()).kind(), HandlerErrorKind::Permanent);
    }
}
