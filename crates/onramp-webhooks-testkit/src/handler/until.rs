//! Waiting for a worker.

use std::time::Duration;

use onramp_webhooks::inbox::{Inbox, State};
use tokio::time::Instant;

/// The time limit for a worker.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest pause between two queries of the inbox.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until exactly `n` deliveries are in `state`.
///
/// # Panics
/// If that does not happen within 30 seconds, or if the inbox cannot be read.
///
/// ```
/// use std::sync::Arc;
///
/// use onramp_webhooks::inbox::{MemoryInbox, State};
/// use onramp_webhooks::adapter::{Full, Request};
/// use onramp_webhooks::{Delivery, Handler, HandlerError, Receiver, Wert, async_trait};
/// use onramp_webhooks_testkit::events::WertOrder;
/// use onramp_webhooks_testkit::until;
///
/// struct Shop;
///
/// #[async_trait]
/// impl Handler for Shop {
///     async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let inbox = Arc::new(MemoryInbox::new());
/// let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(Wert::with_path_secret("s3cret-for-examples")).build().unwrap();
/// let worker = receiver.worker(Shop).spawn();
/// receiver.receive(&Request::new("POST", "/wert/s3cret-for-examples", None, &[]), Full::new(WertOrder::new().complete())).await;
/// until(&*inbox, State::Handled, 1).await;
/// worker.shutdown().await;
/// # }
/// ```
pub async fn until<I: Inbox + ?Sized>(inbox: &I, state: State, n: u64) {
    let deadline = Instant::now() + LIMIT;
    let mut pause = Duration::from_millis(1);
    loop {
        let counts = inbox.counts().await.unwrap_or_else(|error| panic!("the inbox cannot be read: {error}"));
        if counts.of(state) == n {
            return;
        }
        assert!(Instant::now() < deadline, "not {n} deliveries are {state} after {LIMIT:?}, but: {counts:?}");
        tokio::time::sleep(pause).await;
        pause = PAUSE.min(pause * 2);
    }
}
