//! Access: who may see the page, and who may change deliveries.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use onramp_webhooks::adapter::PageRequest;
use onramp_webhooks::clock::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::attempts::Attempts;
use crate::csrf;
use crate::loopback;
use crate::problem::Problem;
use crate::session::{Realm, Session};

/// The access of a request, which [`InspectorBuilder::authorize`](crate::InspectorBuilder::authorize) decides.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// No access.
    Denied,
    /// Access to masked data, under this name.
    Reader(String),
    /// Access to everything, under this name. Changes and reveals are logged with it.
    Operator(String),
}

/// Leaves out the name.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "Denied",
            Self::Reader(_) => "Reader",
            Self::Operator(_) => "Operator",
        })
    }
}

/// The role that a token gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    Operator,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }
}

/// The sender of an authorized request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    pub(crate) name: String,
    /// Authenticated by a header that no browser adds on its own.
    pub(crate) by_bearer: bool,
}

/// The function that decides about requests.
pub(crate) type Authorize = Arc<dyn Fn(&PageRequest) -> Access + Send + Sync>;

/// The ways to authorize requests.
#[derive(Clone)]
pub(crate) enum Door {
    Tokens(Vec<(Role, String)>),
    Authorize(Authorize),
    Loopback,
}

/// The guard of an inspector.
pub(crate) struct Guard {
    door: Door,
    attempts: Mutex<Attempts>,
}

impl Guard {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, attempts: Mutex::default() }
    }

    /// Returns whether callers sign in with a token.
    pub(crate) const fn has_login(&self) -> bool {
        matches!(self.door, Door::Tokens(_))
    }

    /// Returns the sender of a request.
    pub(crate) fn caller(&self, request: &PageRequest, now: Timestamp) -> Result<Caller, Problem> {
        match &self.door {
            Door::Tokens(tokens) => self.by_token(tokens, request, now),
            Door::Authorize(authorize) => by_function(authorize, request),
            Door::Loopback => {
                loopback::check(request)?;
                Ok(Caller { role: Role::Operator, name: "operator".to_owned(), by_bearer: false })
            }
        }
    }

    fn by_token(&self, tokens: &[(Role, String)], request: &PageRequest, now: Timestamp) -> Result<Caller, Problem> {
        if has_bearer(request) {
            let token = bearer(request).unwrap_or_default();
            let role = self.role(tokens, token, request, now)?;
            return Ok(Caller { role, name: role.as_str().to_owned(), by_bearer: true });
        }
        let realm = Realm::of(tokens);
        let role = realm.cookies(request).find_map(|cookie| {
            let session = Session::parse(cookie)?;
            tokens.iter().find(|(role, token)| session.is_valid(*role, token, now)).map(|(role, _)| *role)
        });
        let role = role.ok_or_else(Problem::signed_out)?;
        Ok(Caller { role, name: role.as_str().to_owned(), by_bearer: false })
    }

    /// Returns the header that stores a session in a browser, for a token that was typed.
    pub(crate) fn sign_in(&self, request: &PageRequest, token: &str, now: Timestamp) -> Result<(Role, String), Problem> {
        let Door::Tokens(tokens) = &self.door else { return Err(Problem::not_found()) };
        let role = self.role(tokens, token, request, now)?;
        let key = tokens.iter().find(|(found, _)| *found == role).map_or("", |(_, token)| token);
        Ok((role, Realm::of(tokens).cookie(&Session::new(role, key, now), csrf::is_on_https(request))))
    }

    /// Returns the header that removes the session from a browser.
    pub(crate) fn sign_out(&self, request: &PageRequest) -> Result<String, Problem> {
        let Door::Tokens(tokens) = &self.door else { return Err(Problem::not_found()) };
        Ok(Realm::of(tokens).removal(csrf::is_on_https(request)))
    }

    /// Returns the role of a token. Wrong tokens are counted, and have to wait after too many. The right ones never wait: operators
    /// may share the address of a proxy with strangers, and tokens are too long to be guessed.
    fn role(&self, tokens: &[(Role, String)], token: &str, request: &PageRequest, now: Timestamp) -> Result<Role, Problem> {
        let mut found = None;
        for (role, expected) in tokens {
            if bool::from(Sha256::digest(expected).as_slice().ct_eq(Sha256::digest(token).as_slice())) {
                found = Some(*role);
            }
        }
        found.ok_or_else(|| self.wrong(request, now))
    }

    /// Counts a wrong token. Returns the answer to it.
    fn wrong(&self, request: &PageRequest, now: Timestamp) -> Problem {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = attempts.wait(request.peer, now) {
            return Problem::too_many(wait.as_secs().max(1));
        }
        attempts.failed(request.peer, now);
        Problem::signed_out()
    }
}

/// Returns whether a request has a bearer token. Other schemes are those of a proxy in front.
fn has_bearer(request: &PageRequest) -> bool {
    let is_bearer =
        |line: &[u8]| line.split(|byte| *byte == b' ').next().is_some_and(|name| name.eq_ignore_ascii_case(b"bearer"));
    request.lines("authorization").any(is_bearer)
}

/// Returns the token of the header `authorization`.
fn bearer(request: &PageRequest) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn by_function(authorize: &Authorize, request: &PageRequest) -> Result<Caller, Problem> {
    let by_bearer = bearer(request).is_some();
    match catch_unwind(AssertUnwindSafe(|| authorize(request))) {
        Ok(Access::Denied) => Err(Problem::forbidden("Sign in to the application first, as a user who may open this page.")),
        Ok(Access::Reader(name)) => Ok(Caller { role: Role::Reader, name, by_bearer }),
        Ok(Access::Operator(name)) => Ok(Caller { role: Role::Operator, name, by_bearer }),
        Err(_) => {
            tracing::error!("the function that authorizes requests to the inspector panicked");
            Err(Problem::internal())
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.door {
            Door::Tokens(_) => "Guard(tokens)",
            Door::Authorize(_) => "Guard(authorize)",
            Door::Loopback => "Guard(loopback)",
        })
    }
}
