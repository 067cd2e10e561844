//! The route of health checks.

use actix_web::{Route, guard, web};
use onramp_webhooks::Receiver;

use crate::Reply;

/// Returns a route that responds to `GET` and `HEAD` with [`Receiver::health`].
///
/// ```
/// use actix_web::App;
/// use onramp_webhooks_actix::core::{Receiver, Wert, inbox::MemoryInbox};
/// use onramp_webhooks_actix::health;
///
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let app = App::new().route("/healthz", health(receiver));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn health(receiver: Receiver) -> Route {
    let checked = move || {
        let receiver = receiver.clone();
        async move { Reply(receiver.health().await) }
    };
    web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(checked)
}
