//! Sessions: cookies that need no store.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use onramp_webhooks::adapter::PageRequest;
use onramp_webhooks::clock::Timestamp;
use sha2::{Digest, Sha256};

use crate::access::Role;

/// The time after which a session ends.
const LIFETIME: Duration = Duration::from_secs(12 * 3_600);

/// The beginning of the name of the cookie on plain HTTP. Browsers accept the prefix `__Host-` on HTTPS only.
const NAME: &str = "onramp-inspector";

/// The inspectors that share a session: those with the same tokens. Browsers send cookies to all ports and paths of a host, so each realm has
/// a cookie of its own.
pub(crate) struct Realm(String);

impl Realm {
    pub(crate) fn of(tokens: &[(Role, String)]) -> Self {
        let hash = tokens.iter().fold(Sha256::new_with_prefix("onramp-webhooks-inspector realm"), |hash, (role, token)| {
            hash.chain_update(Sha256::digest(format!("{} {token}", role.as_str())))
        });
        Self(format!("{NAME}-{}", hex(hash.finalize().get(..4).unwrap_or_default())))
    }

    /// Returns the header that stores a session in a browser.
    pub(crate) fn cookie(&self, session: &Session, on_https: bool) -> String {
        let value = format!("{}.{}.{}", session.role, session.expires.as_millis(), hex(&session.mac));
        self.set_cookie(&value, LIFETIME.as_secs(), on_https)
    }

    /// Returns the header that removes the session from a browser.
    pub(crate) fn removal(&self, on_https: bool) -> String {
        self.set_cookie("", 0, on_https)
    }

    fn set_cookie(&self, value: &str, seconds: u64, on_https: bool) -> String {
        let (prefix, secure) = if on_https { ("__Host-", "; Secure") } else { ("", "") };
        format!("{prefix}{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.0)
    }

    /// Returns the values of the cookies that may hold a session.
    pub(crate) fn cookies<'a>(&'a self, request: &'a PageRequest) -> impl Iterator<Item = &'a str> {
        let pairs = request.lines("cookie").filter_map(|line| str::from_utf8(line).ok()).flat_map(|line| line.split(';'));
        pairs.filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name.strip_prefix("__Host-").unwrap_or(name) == self.0).then_some(value)
        })
    }
}

/// A signed session: its role, its end, and the HMAC of both. Its key is the token, so a new token ends all sessions.
pub(crate) struct Session {
    role: String,
    expires: Timestamp,
    mac: Vec<u8>,
}

impl Session {
    pub(crate) fn new(role: Role, token: &str, now: Timestamp) -> Self {
        let expires = now.after(LIFETIME);
        Self { role: role.as_str().to_owned(), expires, mac: mac(role.as_str(), expires, token).finalize().into_bytes().to_vec() }
    }

    /// Reads the value of a cookie. It still has to be checked.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('.');
        let (role, expires, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let expires = Timestamp::from_millis(expires.parse().ok()?);
        parts.next().is_none().then_some(Self { role: role.to_owned(), expires, mac: unhex(mac)? })
    }

    /// Returns whether this session was created with `token` for `role`, and has not ended.
    pub(crate) fn is_valid(&self, role: Role, token: &str, now: Timestamp) -> bool {
        self.role == role.as_str() && now < self.expires && mac(&self.role, self.expires, token).verify_slice(&self.mac).is_ok()
    }
}

fn mac(role: &str, expires: Timestamp, token: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
    let mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("a key of any length");
    mac.chain_update(format!("onramp-webhooks-inspector session {role} {}", expires.as_millis()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let bytes = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    digits.len().is_multiple_of(2).then(|| bytes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn realm(token: &str) -> Realm {
        Realm::of(&[(Role::Operator, token.to_owned())])
    }

    fn value(session: &Session) -> String {
        realm("token").cookie(session, false).split(['=', ';']).nth(1).unwrap().to_owned()
    }

    #[test]
    fn a_session_is_valid_for_its_role_its_token_and_twelve_hours() {
        let session = Session::parse(&value(&Session::new(Role::Reader, "token", NOW))).unwrap();
        assert!(session.is_valid(Role::Reader, "token", NOW));
        assert!(!session.is_valid(Role::Operator, "token", NOW));
        assert!(!session.is_valid(Role::Reader, "another", NOW));
        assert!(session.is_valid(Role::Reader, "token", NOW.after(LIFETIME).before(Duration::from_millis(1))));
        assert!(!session.is_valid(Role::Reader, "token", NOW.after(LIFETIME)));
    }

    #[test]
    fn every_change_of_a_session_is_refused() {
        let value = value(&Session::new(Role::Reader, "token", NOW));
        let (role, rest) = value.split_once('.').unwrap();
        let (expires, mac) = rest.split_once('.').unwrap();
        let later = format!("{role}.{}.{mac}", expires.parse::<i64>().unwrap() + 1);
        for changed in
            [format!("operator.{rest}"), later, format!("{role}.{expires}.{}", &mac[2..]), format!("{role}.{expires}.")]
        {
            let valid = |role| Session::parse(&changed).is_some_and(|session| session.is_valid(role, "token", NOW));
            assert!(!valid(Role::Reader) && !valid(Role::Operator), "{changed}");
        }
        for garbage in ["", ".", "..", "a.b.c", "reader.1.zz", "reader.1.abc", &format!("{value}.x")] {
            assert!(Session::parse(garbage).is_none(), "{garbage}");
        }
    }

    #[test]
    fn a_cookie_is_bound_to_the_host_on_https() {
        let (session, realm) = (Session::new(Role::Operator, "token", NOW), realm("token"));
        let cookie = realm.cookie(&session, true);
        assert!(cookie.starts_with("__Host-onramp-inspector-") && cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"));
        let plain = realm.cookie(&session, false);
        assert!(plain.starts_with("onramp-inspector-") && plain.ends_with("HttpOnly; SameSite=Strict"));
    }

    #[test]
    fn inspectors_with_other_tokens_have_cookies_of_their_own() {
        let both = |operator: &str, reader: &str| {
            Realm::of(&[(Role::Operator, operator.to_owned()), (Role::Reader, reader.to_owned())]).0
        };
        assert_eq!(both("a", "b"), both("a", "b"));
        let names = [
            both("a", "b"),
            both("b", "a"),
            both("a", "c"),
            realm("a").0,
            realm("b").0,
            Realm::of(&[(Role::Reader, "a".into())]).0,
        ];
        assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "{names:?}");
    }
}
