//! The route of health checks.

use axum::http::Method;
use axum::routing::{MethodRouter, any};
use onramp_webhooks::Receiver;

use crate::Reply;

/// Returns a route that responds with [`Receiver::health_check`].
///
/// ```
/// use axum::Router;
/// use onramp_webhooks_axum::core::{Receiver, Wert, inbox::MemoryInbox};
/// use onramp_webhooks_axum::health;
///
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let app: Router = Router::new().route("/healthz", health(receiver));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn health<S>(receiver: Receiver) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    any(async move |method: Method| Reply(receiver.health_check(method.as_str()).await))
}
