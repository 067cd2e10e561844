//! Building an inspector.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::Inbox;
use onramp_webhooks::adapter::PageRequest;
use onramp_webhooks::clock::{Clock, SystemClock};
use onramp_webhooks::provider::Providers;

use crate::Inspector;
use crate::access::{Access, Authorize, Door, Guard, Role};
use crate::checks::Checks;

/// Minimum length of a token, in characters.
pub const SHORTEST_TOKEN: usize = 32;

/// The settings of an inspector.
pub(crate) struct Settings {
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) providers: Providers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) is_read_only: bool,
    pub(crate) checks: Checks,
}

/// Builder of an [`Inspector`]; see [`Inspector::builder`].
pub struct InspectorBuilder {
    settings: Settings,
    operator: Option<String>,
    reader: Option<String>,
    authorize: Option<Authorize>,
    is_open: bool,
}

impl InspectorBuilder {
    pub(crate) fn new(inbox: Arc<dyn Inbox>) -> Self {
        let settings = Settings {
            inbox,
            providers: Providers::default(),
            clock: Arc::new(SystemClock::default()),
            title: "Inbox".to_owned(),
            place: String::new(),
            is_read_only: false,
            checks: Checks::default(),
        };
        Self { settings, operator: None, reader: None, authorize: None, is_open: false }
    }

    /// Sets the name of the shop and of its environment, such as `production`.
    #[must_use]
    pub fn title(mut self, shop: impl Into<String>, environment: impl Into<String>) -> Self {
        (self.settings.title, self.settings.place) = (shop.into(), environment.into());
        self
    }

    /// Sets the token of operators, of at least 32 characters. They sign in with it, and scripts send `authorization: Bearer`.
    ///
    /// A new token ends all sessions. After ten wrong tokens in a minute, an address has to wait before it tries another one. The
    /// right token is always accepted.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.operator = Some(token.into());
        self
    }

    /// Sets the token of readers, of at least 32 characters. They see masked data, and change nothing.
    #[must_use]
    pub fn reader_token(mut self, token: impl Into<String>) -> Self {
        self.reader = Some(token.into());
        self
    }

    /// Sets a function that decides about each request, for an application with a login of its own. If it panics, the request is
    /// refused.
    #[must_use]
    pub fn authorize(mut self, authorize: impl Fn(&PageRequest) -> Access + Send + Sync + 'static) -> Self {
        self.authorize = Some(Arc::new(authorize));
        self
    }

    /// Opens the page to everybody on this machine, for development. Requests from elsewhere, through a proxy, or for another host are
    /// refused.
    #[must_use]
    pub fn open_on_loopback(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Removes all routes that change deliveries or reveal personal data.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.settings.is_read_only = true;
        self
    }

    /// Sets the providers whose bodies are read. Default: those of `onramp-webhooks`.
    #[must_use]
    pub fn providers(mut self, providers: Providers) -> Self {
        self.settings.providers = providers;
        self
    }

    /// Sets the clock of sessions and of the page.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Builds the inspector.
    ///
    /// # Errors
    /// Returns an error without a token, an [`authorize`](Self::authorize) function or [`open_on_loopback`](Self::open_on_loopback), with
    /// several of them, or if a token is too short or both tokens are the same.
    pub fn build(mut self) -> Result<Inspector, BuildError> {
        let tokens = [(Role::Operator, self.operator.take()), (Role::Reader, self.reader.take())];
        let tokens: Vec<_> = tokens.into_iter().filter_map(|(role, token)| Some((role, token?))).collect();
        let door = match (tokens.is_empty(), self.authorize.take(), self.is_open) {
            (true, None, false) => return Err(BuildError::NoAccess),
            (false, None, false) => Door::Tokens(checked(tokens)?),
            (true, Some(authorize), false) => Door::Authorize(authorize),
            (true, None, true) => Door::Loopback,
            _ => return Err(BuildError::SeveralWays),
        };
        Ok(Inspector::new(self.settings, Guard::new(door)))
    }
}

fn checked(tokens: Vec<(Role, String)>) -> Result<Vec<(Role, String)>, BuildError> {
    if tokens.iter().any(|(_, token)| token.chars().count() < SHORTEST_TOKEN) {
        return Err(BuildError::ShortToken);
    }
    match tokens.as_slice() {
        [(_, operator), (_, reader)] if operator == reader => Err(BuildError::SameTokens),
        _ => Ok(tokens),
    }
}

impl fmt::Debug for InspectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectorBuilder")
            .field("inbox", &self.settings.inbox)
            .field("title", &self.settings.title)
            .finish_non_exhaustive()
    }
}

/// Error returned by [`InspectorBuilder::build`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Everybody could open the page.
    #[error("the inspector needs a token, an authorize function, or open_on_loopback")]
    NoAccess,
    /// More than one of tokens, `authorize` and `open_on_loopback` is set.
    #[error("the inspector needs either tokens, or an authorize function, or open_on_loopback")]
    SeveralWays,
    /// A token can be guessed.
    #[error("a token of the inspector needs at least {SHORTEST_TOKEN} characters; `openssl rand -hex 32` prints one")]
    ShortToken,
    /// Readers would be operators.
    #[error("the reader token of the inspector has to differ from its token")]
    SameTokens,
}
