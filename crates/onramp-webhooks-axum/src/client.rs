//! The client of a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use onramp_webhooks::adapter::{self, AllowListGate};

use crate::Reply;

/// Extractor of the client that [`allow_list`](crate::allow_list()) admitted.
///
/// Without the `allow_list` layer, the extractor rejects the request with a server error and logs the reason.
///
/// ```
/// use axum::{Router, routing::get};
/// use onramp_webhooks_axum::core::client_ip::ClientIp;
/// use onramp_webhooks_axum::core::gate::AllowListGate;
/// use onramp_webhooks_axum::{Client, allow_list};
///
/// async fn admin(Client(client): Client) -> String {
///     format!("hello, {}", client.address)
/// }
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app: Router = Router::new().route("/admin", get(admin)).layer(allow_list(&gate));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Client(pub adapter::Client);

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Reply> {
        Ok(Self(AllowListGate::admitted(parts.extensions.get())?))
    }
}
