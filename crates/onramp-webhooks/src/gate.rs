//! The allow-list in front of any route: what the adapters' `allow_list` middleware asks.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::allow_list::AllowList;
use crate::client_ip::{Client, ClientIp, ClientIpError};
use crate::event::Acknowledgement;
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;

/// Lets in the clients on a list, at any route. Cheap to clone; clones share their rules, so that one that the application keeps
/// can [replace](Self::replace) the rules while requests come in.
///
/// ```
/// use onramp_webhooks::gate::AllowListGate;
/// use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};
/// use onramp_webhooks::Request;
///
/// let behind = ClientIp::behind("10.0.0.0/8".parse()?, ForwardingHeader::XForwardedFor);
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, behind.clone());
///
/// let headers = [("x-forwarded-for", "192.0.2.7, 203.0.113.7")];
/// let request = Request::new("GET", "/admin", Some("10.0.0.1".parse()?), &headers);
/// let denial = gate.judge(&request).unwrap_err();
/// assert_eq!(
///     denial.to_string(),
///     "203.0.113.7 (entry 1 from the right of the forwarding header) is not on the allow-list 192.0.2.0/24"
/// );
///
/// gate.replace("192.0.2.0/24, 203.0.113.7".parse()?, behind);
/// assert!(gate.admit(&request).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AllowListGate {
    rules: Arc<RwLock<Arc<Rules>>>,
}

struct Rules {
    allowed: AllowList,
    client_ip: ClientIp,
}

impl AllowListGate {
    /// A gate for the clients on `allowed`; `client_ip` says how to tell who a client is.
    #[must_use]
    pub fn new(allowed: AllowList, client_ip: ClientIp) -> Self {
        Self { rules: Arc::new(RwLock::new(Arc::new(Rules { allowed, client_ip }))) }
    }

    /// Replaces the rules of this gate and of all its clones, for all requests that come from now on.
    pub fn replace(&self, allowed: AllowList, client_ip: ClientIp) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Rules { allowed, client_ip });
    }

    /// Lets the client of `request` in, or says why not: which address was found, where, and what it lacks.
    ///
    /// # Errors
    /// The client is not on the list, or nobody can tell who it is.
    pub fn judge(&self, request: &Request<'_>) -> Result<Client, Denial> {
        let rules = self.rules();
        judge(&rules.allowed, &rules.client_ip, request)
    }

    /// The same, with the answer for whom is denied: 403. The reason is counted and logged, and no part of the answer.
    ///
    /// # Errors
    /// The answer to send instead of the route's.
    pub fn admit(&self, request: &Request<'_>) -> Result<Client, Reply> {
        let judged = self.judge(request);
        telemetry::judged(judged.is_ok());
        judged.map_err(|denial| {
            tracing::warn!(why = %denial, "denied");
            Outcome::Denied.reply(Acknowledgement::Readable)
        })
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets the client of a request in, or says why not.
pub(crate) fn judge(allowed: &AllowList, client_ip: &ClientIp, request: &Request<'_>) -> Result<Client, Denial> {
    let client = client_ip.client_of(request)?;
    if allowed.contains(client.address) { Ok(client) } else { Err(Denial::NotListed { client, allowed: allowed.clone() }) }
}

impl fmt::Debug for AllowListGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules();
        f.debug_struct("AllowListGate").field("allowed", &rules.allowed).field("client_ip", &rules.client_ip).finish()
    }
}

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// It is not on the list.
    #[error("{client} is not on the allow-list {allowed}")]
    NotListed {
        /// Who it is, and where that was found.
        client: Client,
        /// The list.
        allowed: AllowList,
    },
    /// Nobody can tell who it is.
    #[error(transparent)]
    Undetermined(#[from] ClientIpError),
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(&str, &str); 0] = [];

    fn from(peer: Option<&str>) -> Request<'static> {
        Request::new("GET", "/", peer.map(|peer| peer.parse().unwrap()), &NONE)
    }

    #[test]
    fn every_doubt_is_a_denial() {
        let gate = AllowListGate::new("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        assert_eq!(gate.admit(&from(Some("::ffff:192.0.2.1"))).unwrap().address.to_string(), "192.0.2.1");
        for peer in [None, Some("192.0.2.2"), Some("::1")] {
            assert_eq!(gate.admit(&from(peer)).unwrap_err().status(), 403, "{peer:?}");
        }
        assert_eq!(gate.judge(&from(None)), Err(Denial::Undetermined(ClientIpError::NoPeer)));
        let nobody = AllowListGate::new(AllowList::default(), ClientIp::peer_only());
        assert!(nobody.judge(&from(Some("192.0.2.1"))).is_err());
    }

    #[test]
    fn the_answer_does_not_tell_the_reason() {
        let gate = AllowListGate::new("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        let reply = gate.admit(&from(Some("192.0.2.2"))).unwrap_err();
        assert!(!String::from_utf8_lossy(reply.body()).contains("192.0.2"));
    }

    #[test]
    fn clones_share_what_is_replaced() {
        let gate = AllowListGate::new(AllowList::default(), ClientIp::peer_only());
        let mounted = gate.clone();
        assert!(mounted.judge(&from(Some("192.0.2.1"))).is_err());
        gate.replace("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        assert!(mounted.judge(&from(Some("192.0.2.1"))).is_ok());
    }
}
