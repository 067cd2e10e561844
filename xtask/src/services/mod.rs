//! Servers that tests need, for the duration of a command.
//!
//! For each kind, the first of these is used: the server in the environment variable, which must respond; the server at the default local
//! port, if it requires no password; a temporary server, if its programs are installed. Without a server, the tests that need it are
//! skipped by their names.

mod kind;

use anyhow::Context;
use onramp_webhooks_services::probe::Access;
use onramp_webhooks_services::{Postgres, Redis, ServiceError};
use xshell::{PushEnv, Shell};

pub(crate) use self::kind::{KINDS, Kind};

/// A server, or the lack of one.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) kind: &'static Kind,
    source: Source,
    /// Set if the programs are installed, so that tests can start their own server.
    is_installed: bool,
}

/// Origin of a server.
#[derive(Debug)]
enum Source {
    Named,
    Local,
    Temporary(Temporary),
    Missing,
}

/// A server that ends with the command.
#[derive(Debug)]
pub(crate) enum Temporary {
    Postgres(Postgres),
    Redis(Redis),
}

/// One server of each kind.
#[derive(Debug)]
pub(crate) struct Services(Vec<Service>);

impl Services {
    /// Finds or starts a server of each kind.
    ///
    /// # Errors
    /// Returns an error if a server from the environment does not respond or a temporary one does not start.
    pub(crate) fn find(sh: &Shell) -> anyhow::Result<Self> {
        KINDS.iter().map(|kind| Service::find(sh, kind)).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Sets the variables of temporary servers for commands of this shell, until the returned guards are dropped.
    pub(crate) fn enter<'a>(&self, sh: &'a Shell) -> Vec<PushEnv<'a>> {
        let variable = |service: &Service| Some(sh.push_env(service.kind.variable, service.url()?));
        self.0.iter().filter_map(variable).collect()
    }

    /// Kinds without a server.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &'static Kind> {
        self.0.iter().filter(|service| matches!(service.source, Source::Missing)).map(|service| service.kind)
    }

    /// Kinds with a server whose programs are not installed, so that tests cannot start their own.
    pub(crate) fn not_installed(&self) -> impl Iterator<Item = &'static Kind> {
        let is_there = |service: &&Service| !matches!(service.source, Source::Missing);
        self.0.iter().filter(is_there).filter(|service| !service.is_installed).map(|service| service.kind)
    }

    /// Prints the origin of each server.
    pub(crate) fn print(&self) {
        for Service { kind, source, .. } in &self.0 {
            match source {
                Source::Named => println!("{}: from {}", kind.name, kind.variable),
                Source::Local => println!("{}: at {}", kind.name, kind.usual),
                Source::Temporary(server) => println!("{}: temporary, at {}", kind.name, server.url()),
                Source::Missing => println!("{}: none", kind.name),
            }
        }
    }
}

impl Service {
    fn find(sh: &Shell, kind: &'static Kind) -> anyhow::Result<Self> {
        let is_installed = (kind.is_installed)();
        Ok(Self { kind, source: Self::source(sh, kind)?, is_installed })
    }

    fn source(sh: &Shell, kind: &'static Kind) -> anyhow::Result<Source> {
        if let Some(url) = sh.var(kind.variable).ok().filter(|url| !url.is_empty() && url.starts_with(kind.scheme)) {
            // The URL may contain a password, so the error does not.
            let no_response = || format!("the server in {} does not respond", kind.variable);
            return (kind.probe)(&url).map(|_| Source::Named).with_context(no_response);
        }
        if matches!((kind.probe)(kind.usual), Ok(Access::Open)) {
            return Ok(Source::Local);
        }
        match (kind.start)() {
            Ok(server) => Ok(Source::Temporary(server)),
            Err(ServiceError::NotInstalled(_)) => Ok(Source::Missing),
            Err(error) => Err(error).with_context(|| format!("starting a temporary {}", kind.name)),
        }
    }

    /// URL of a temporary server. Tests find other servers by themselves.
    fn url(&self) -> Option<String> {
        if let Source::Temporary(server) = &self.source { Some(server.url()) } else { None }
    }
}

impl Temporary {
    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_server_that_does_not_answer_is_an_error() {
        let sh = Shell::new().unwrap();
        for kind in &KINDS {
            let scheme = kind.usual.split_once("://").unwrap().0;
            let _variable = sh.push_env(kind.variable, format!("{scheme}://127.0.0.1:1/"));
            let error = format!("{:#}", Service::find(&sh, kind).unwrap_err());
            assert!(error.contains(kind.variable), "{error}");
        }
    }

    #[test]
    fn dedicated_postgres_and_dedicated_redis_are_in_the_environment() {
        let sh = Shell::new().unwrap();
        let temporary =
            |kind: &'static Kind| Service { kind, source: Source::Temporary((kind.start)().unwrap()), is_installed: true };
        let services = Services(KINDS.iter().map(temporary).collect());
        let entered = services.enter(&sh);
        for kind in &KINDS {
            assert_eq!((kind.probe)(&sh.var(kind.variable).unwrap()).unwrap(), Access::Open);
        }
        assert_eq!((entered.len(), services.missing().count(), services.not_installed().count()), (2, 0, 0));
    }
}
