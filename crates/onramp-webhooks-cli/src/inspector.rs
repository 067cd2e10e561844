//! The inspector page of `listen` and `inspect`, and its token.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use onramp_webhooks::Inbox;
use onramp_webhooks_inspector::{Inspector, InspectorBuilder, SHORTEST_TOKEN};

use crate::exit::CliError;
use crate::secret;

/// The mount point of the page.
const MOUNT: &str = "/inspect";

/// The next step of operators without a token.
const MAKE_A_TOKEN: &str = "export INSPECTOR_TOKEN=$(openssl rand -hex 32)";

/// The flags of the token.
#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The token of the inspector, of at least 32 characters. Without it, one is made for this run. Prefer the environment variable
    #[arg(long, value_name = "TOKEN", env = "INSPECTOR_TOKEN", hide_env_values = true)]
    inspector_token: Option<String>,
    /// A file with that token
    #[arg(long, value_name = "FILE", env = "INSPECTOR_TOKEN_FILE", conflicts_with = "inspector_token")]
    inspector_token_file: Option<PathBuf>,
}

/// The token of operators.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// The token of the user, which is never printed.
    Given(String),
    /// The token of this run.
    Made(String),
}

impl TokenArgs {
    /// Returns the token of the user, or a new one.
    pub(crate) fn token(&self) -> Result<Token, CliError> {
        let (token, file) = (self.inspector_token.as_deref(), self.inspector_token_file.as_deref());
        let Some(text) = secret::text_or_file("--inspector-token", token, file)? else { return make() };
        let token = text.trim();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                CliError::Usage("--inspector-token: only visible ASCII characters are allowed".to_owned()).hint(MAKE_A_TOKEN)
            );
        }
        if token.len() < SHORTEST_TOKEN {
            let reason = format!("--inspector-token: at least {SHORTEST_TOKEN} characters are needed");
            return Err(CliError::Usage(reason).hint(MAKE_A_TOKEN));
        }
        Ok(Token::Given(token.to_owned()))
    }
}

fn make() -> Result<Token, CliError> {
    Ok(Token::Made(URL_SAFE_NO_PAD.encode(secret::random::<32>()?)))
}

impl Token {
    /// Checks that an address that others can reach has a token of the user.
    pub(crate) fn check(&self, listen: SocketAddr) -> Result<(), CliError> {
        match self {
            Self::Made(_) if !crate::socket::is_loopback(listen) => {
                let reason =
                    format!("others can reach {listen}: the inspector needs a token of at least {SHORTEST_TOKEN} characters");
                Err(CliError::Usage(reason).hint(MAKE_A_TOKEN))
            }
            _ => Ok(()),
        }
    }

    /// Returns the link to the page on a server that this machine reaches at `address`. It signs in, unless the token is the user's.
    pub(crate) fn link(&self, address: SocketAddr) -> String {
        match self {
            Self::Given(_) => format!("http://{address}{MOUNT}/"),
            Self::Made(token) => format!("http://{address}{MOUNT}/#k={token}"),
        }
    }

    /// Returns the builder of a page for operators with this token.
    pub(crate) fn inspector(self, inbox: Arc<dyn Inbox>) -> InspectorBuilder {
        let (Self::Given(token) | Self::Made(token)) = self;
        Inspector::builder(inbox).token(token)
    }
}

/// Adds the page to routes.
pub(crate) fn mount(app: Router, page: InspectorBuilder) -> Result<Router, CliError> {
    let page = page.build().map_err(|error| CliError::with_source("starting the inspector", &error))?;
    Ok(app.nest_service(MOUNT, onramp_webhooks_axum::page(page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "hush-hush-hush-hush-hush-hush-32";
    const HERE: &str = "127.0.0.1:8080";
    const EVERYWHERE: &str = "0.0.0.0:8080";

    fn given(token: &str) -> Result<Token, CliError> {
        TokenArgs { inspector_token: Some(token.to_owned()), inspector_token_file: None }.token()
    }

    #[test]
    fn a_token_is_long_and_visible_and_each_run_makes_another() {
        assert_eq!(LONG.len(), SHORTEST_TOKEN);
        for (token, is_allowed) in [
            (LONG, true),
            (" hush-hush-hush-hush-hush-hush-32\n", true),
            ("hush-hush-hush-hush-hush-hush-3", false),
            ("hush-hush-hush-hush-hush-hush-3 ", false),
            ("hush-hush-hush-hush\nhush-hush-hush-hush", false),
            ("hush-hush-hush-hush-hush-hush-é2", false),
            (" ", false),
        ] {
            match given(token) {
                Ok(found) => assert!(is_allowed && found == Token::Given(LONG.to_owned()), "{token:?}"),
                Err(error) => {
                    assert!(!is_allowed && !error.to_string().contains("hush") && error.next_step().is_some(), "{token:?}")
                }
            }
        }
        let made = given("").ok().unwrap();
        assert!(matches!(&made, Token::Made(token) if token.len() == 43) && made != make().ok().unwrap());
    }

    #[test]
    fn a_link_has_the_token_of_this_run_only() {
        let address = HERE.parse().unwrap();
        assert_eq!(Token::Given(LONG.to_owned()).link(address), "http://127.0.0.1:8080/inspect/");
        assert_eq!(Token::Made("abc".to_owned()).link(address), "http://127.0.0.1:8080/inspect/#k=abc");
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token_of_the_user() {
        for (token, listen, is_allowed) in [
            (make().ok().unwrap(), HERE, true),
            (make().ok().unwrap(), "[::1]:8080", true),
            (make().ok().unwrap(), EVERYWHERE, false),
            (make().ok().unwrap(), "192.168.1.5:80", false),
            (Token::Given(LONG.to_owned()), EVERYWHERE, true),
        ] {
            assert_eq!(token.check(listen.parse().unwrap()).is_ok(), is_allowed, "{listen}");
        }
    }
}
