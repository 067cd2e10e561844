//! The client of a request.

use std::convert::Infallible;

use onramp_webhooks::adapter::{self, AllowListGate};
use warp::Filter;

use crate::Reply;
use crate::request::{Head, head};

/// The client of a request that a gate admitted.
///
/// ```
/// use onramp_webhooks_warp::core::client_ip::ClientIp;
/// use onramp_webhooks_warp::core::gate::AllowListGate;
/// use onramp_webhooks_warp::{Client, Reply};
/// use warp::Filter;
///
/// async fn admin(client: Result<Client, Reply>) -> Result<String, Reply> {
///     let Client(client) = client?;
///     Ok(format!("hello, {}", client.address))
/// }
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app = warp::path!("admin").and(Client::filter(&gate)).then(admin);
/// # let _ = warp::service(app);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Client(pub adapter::Client);

impl Client {
    /// Returns a filter that extracts the client if `gate` admits it, and otherwise the reply that denies the request. The handler has to
    /// return that reply.
    ///
    /// Use it instead of [`allow_list`](crate::allow_list()) in routes that need the client. The filter never rejects, because after a
    /// rejection the next filters of an [`or`](Filter::or) would handle the request.
    #[must_use]
    pub fn filter(
        gate: &AllowListGate,
    ) -> impl Filter<Extract = (Result<Self, Reply>,), Error = Infallible> + Clone + Send + Sync + use<> {
        let gate = gate.clone();
        head().map(move |head: Head| Ok(Self(gate.admit(&head.whole())?)))
    }
}
