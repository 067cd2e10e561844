//! An allow-list in front of any route. The adapters' `allow_list` middleware uses it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::allow_list::AllowList;
use crate::client_ip::{Client, ClientIp, ClientIpError};
use crate::clock::Timestamp;
use crate::log_limit::LogLimit;
use crate::provider::Acknowledgement;
use crate::reply::{Outcome, Reply};
use crate::request::Request;
use crate::telemetry;

/// A gate that admits only the clients on an allow-list, in front of any route.
///
/// Cheap to clone. Clones share their rules, so an application that keeps a clone can [replace](Self::replace) the rules while it
/// serves requests.
///
/// ```
/// use onramp_webhooks::adapter::Request;
/// use onramp_webhooks::gate::AllowListGate;
/// use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};
///
/// let behind = ClientIp::behind("10.0.0.0/8".parse()?, ForwardingHeader::XForwardedFor);
/// let gate = AllowListGate::new("192.0.2.0/24".parse()?, behind.clone());
///
/// let headers = [("x-forwarded-for", "192.0.2.7, 203.0.113.7")];
/// let request = Request::new("GET", "/admin", Some("10.0.0.1".parse()?), &headers);
/// let denial = gate.judge(&request).unwrap_err();
/// assert_eq!(
///     denial.to_string(),
///     "203.0.113.7 (entry 1 from the right of the forwarding header) is not on the allow-list, which has 1 entry"
/// );
///
/// gate.replace("192.0.2.0/24, 203.0.113.7".parse()?, behind);
/// assert!(gate.admit(&request).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AllowListGate {
    rules: Arc<RwLock<Rules>>,
    denials: Arc<LogLimit>,
}

struct Rules {
    allowed: AllowList,
    client_ip: ClientIp,
}

impl AllowListGate {
    /// Creates a gate for the clients on `allowed`. `client_ip` determines the address of a client.
    #[must_use]
    pub fn new(allowed: AllowList, client_ip: ClientIp) -> Self {
        Self { rules: Arc::new(RwLock::new(Rules { allowed, client_ip })), denials: Arc::default() }
    }

    /// Replaces the rules of this gate and of all its clones for later requests.
    pub fn replace(&self, allowed: AllowList, client_ip: ClientIp) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Rules { allowed, client_ip };
    }

    /// Returns the client of `request` if it is on the list.
    ///
    /// # Errors
    /// Returns an error if the client is not on the list, or if its address cannot be determined.
    pub fn judge(&self, request: &Request<'_>) -> Result<Client, Denial> {
        let rules = self.rules();
        judge(&rules.allowed, &rules.client_ip, request)
    }

    /// Returns the client of `request` if it is on the list. Counts the result, and logs a denial, at most one each second with the number
    /// of denials since the last.
    ///
    /// # Errors
    /// Returns the reply to send if the client is denied: 403, without the reason.
    pub fn admit(&self, request: &Request<'_>) -> Result<Client, Reply> {
        let judged = self.judge(request);
        telemetry::judged(judged.is_ok());
        judged.map_err(|denial| {
            if let Some(denials) = self.denials.count(Timestamp::now()) {
                tracing::warn!(denials, why = %denial, "denied");
            }
            Outcome::Denied.reply(Acknowledgement::Readable)
        })
    }

    /// Returns the client that a gate admitted, for extractors. `client` is the client that the adapter's middleware stored with
    /// the request.
    ///
    /// # Errors
    /// Returns the reply to send, 500, if there is no client because no gate is in front of the route. The reason is logged.
    pub fn admitted(client: Option<&Client>) -> Result<Client, Reply> {
        client.copied().ok_or_else(|| {
            tracing::error!("a handler extracts the client, but its route has no allow-list; add the allow_list middleware");
            Outcome::NoAllowList.reply(Acknowledgement::Readable)
        })
    }

    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the client of a request if it is on the list.
pub(crate) fn judge(allowed: &AllowList, client_ip: &ClientIp, request: &Request<'_>) -> Result<Client, Denial> {
    let client = client_ip.client_of(request)?;
    if allowed.contains(client.address) { Ok(client) } else { Err(Denial::NotListed { client, entries: allowed.len() }) }
}

impl fmt::Debug for AllowListGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules();
        f.debug_struct("AllowListGate").field("allowed", &rules.allowed).field("client_ip", &rules.client_ip).finish()
    }
}

/// The reason why a client is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The client is not on the list.
    #[error("{client} is not on the allow-list, which has {entries} {}", if *entries == 1 { "entry" } else { "entries" })]
    NotListed {
        /// The client, and the hop at which its address was found.
        client: Client,
        /// The number of addresses and networks on the list.
        entries: usize,
    },
    /// The address of the client cannot be determined.
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
    fn only_listed_clients_are_admitted() {
        let gate = AllowListGate::new("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        assert_eq!(gate.admit(&from(Some("::ffff:192.0.2.1"))).unwrap().address.to_string(), "192.0.2.1");
        for peer in [None, Some("192.0.2.2"), Some("::1")] {
            assert_eq!(gate.admit(&from(peer)).unwrap_err().status(), 403, "{peer:?}");
        }
        assert_eq!(gate.judge(&from(None)), Err(Denial::Undetermined(ClientIpError::NoPeer)));
        let empty = AllowListGate::new(AllowList::default(), ClientIp::peer_only());
        assert!(empty.judge(&from(Some("192.0.2.1"))).is_err());
    }

    #[test]
    fn an_admitted_client_is_returned_and_a_missing_one_is_an_error_of_the_server() {
        let gate = AllowListGate::new("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        let client = gate.admit(&from(Some("192.0.2.1"))).unwrap();
        assert_eq!(AllowListGate::admitted(Some(&client)), Ok(client));
        assert_eq!(AllowListGate::admitted(None).unwrap_err().status(), 500);
    }

    #[test]
    fn the_reply_does_not_contain_the_reason() {
        let gate = AllowListGate::new("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        let reply = gate.admit(&from(Some("192.0.2.2"))).unwrap_err();
        assert!(!String::from_utf8_lossy(reply.body()).contains("192.0.2"));
    }

    #[test]
    fn replaced_rules_apply_to_all_clones() {
        let gate = AllowListGate::new(AllowList::default(), ClientIp::peer_only());
        let mounted = gate.clone();
        assert!(mounted.judge(&from(Some("192.0.2.1"))).is_err());
        gate.replace("192.0.2.1".parse().unwrap(), ClientIp::peer_only());
        assert!(mounted.judge(&from(Some("192.0.2.1"))).is_ok());
    }
}
