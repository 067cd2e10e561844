//! The client of a request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use onramp_webhooks::adapter::{self, AllowListGate};

use crate::Reply;

/// Extractor of the client that [`allow_list`](crate::allow_list()) admitted.
///
/// Without the `allow_list` middleware, the extractor fails with a server error and logs the reason.
///
/// ```
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::core::client_ip::ClientIp;
/// use onramp_webhooks_actix::core::gate::AllowListGate;
/// use onramp_webhooks_actix::{Client, allow_list};
///
/// async fn admin(Client(client): Client) -> String {
///     format!("hello, {}", client.address)
/// }
///
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, ClientIp::peer_only());
/// let app = App::new().service(web::resource("/admin").wrap(allow_list(&gate)).to(admin));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Client(pub adapter::Client);

impl FromRequest for Client {
    type Error = Reply;
    type Future = Ready<Result<Self, Reply>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(AllowListGate::admitted(request.extensions().get()).map(Self).map_err(Reply))
    }
}
