//! The route of health checks.

use actix_web::{HttpRequest, Route, web};
use onramp_webhooks::Receiver;

use crate::Reply;

/// Returns a route that responds with [`Receiver::health_check`].
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
    web::route().to(move |request: HttpRequest| {
        let receiver = receiver.clone();
        async move { Reply(receiver.health_check(request.method().as_str()).await) }
    })
}
