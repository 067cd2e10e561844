//! The route of health checks.

use onramp_webhooks::Receiver;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::Method;

use crate::Reply;

/// Returns a filter that responds with [`Receiver::health_check`]. Put it [behind](Filter::and) its path.
///
/// ```
/// use onramp_webhooks_warp::core::{Receiver, Wert, inbox::MemoryInbox};
/// use onramp_webhooks_warp::health;
/// use warp::Filter;
///
/// let receiver = Receiver::builder(MemoryInbox::new()).endpoint(Wert::with_path_secret("s3cret-for-examples")).build()?;
/// let app = warp::path!("healthz").and(health(receiver));
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn health(receiver: Receiver) -> BoxedFilter<(Reply,)> {
    let checked = move |method: Method| {
        let receiver = receiver.clone();
        async move { Reply(receiver.health_check(method.as_str()).await) }
    };
    warp::method().then(checked).boxed()
}
