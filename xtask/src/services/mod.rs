//! The servers that tests need, for the time of a command.
//!
//! For each kind: the one that the environment names, which then must answer; else the one at the usual local port, if it lets us in;
//! else a throw-away one from installed programs; else none, and its tests are left out by name.

mod kind;

use anyhow::Context;
use onramp_webhooks_services::probe::Access;
use onramp_webhooks_services::{Postgres, Redis, ServiceError};
use xshell::{PushEnv, Shell};

pub(crate) use self::kind::Kind;

/// One server.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) kind: Kind,
    source: Source,
    /// Whether its programs are installed, so that tests can start one of their own.
    is_installed: bool,
}

/// Where a server comes from.
#[derive(Debug)]
enum Source {
    Named,
    Local,
    ThrowAway(ThrowAway),
    Missing,
}

/// A server that ends with the command.
#[derive(Debug)]
pub(crate) enum ThrowAway {
    Postgres(Postgres),
    Redis(Redis),
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Services(Vec<Service>);

impl Services {
    /// Finds or starts them.
    pub(crate) fn find(sh: &Shell) -> anyhow::Result<Self> {
        Kind::ALL.iter().map(|kind| Service::find(sh, *kind)).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Tells the commands of this shell where they are, until what is answered is dropped.
    pub(crate) fn enter<'a>(&self, sh: &'a Shell) -> Vec<PushEnv<'a>> {
        let variable = |service: &Service| Some(sh.push_env(service.kind.variable(), service.url()?));
        self.0.iter().filter_map(variable).collect()
    }

    /// Those that are not there.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Kind> {
        self.0.iter().filter(|service| matches!(service.source, Source::Missing)).map(|service| service.kind)
    }

    /// Those that are there, but not installed, so that tests cannot start one of their own.
    pub(crate) fn not_installed(&self) -> impl Iterator<Item = Kind> {
        let is_there = |service: &&Service| !matches!(service.source, Source::Missing);
        self.0.iter().filter(is_there).filter(|service| !service.is_installed).map(|service| service.kind)
    }

    /// One line for each, where it is from.
    pub(crate) fn print(&self) {
        for Service { kind, source, .. } in &self.0 {
            match source {
                Source::Named => println!("{}: the one that {} names", kind.name(), kind.variable()),
                Source::Local => println!("{}: the one at {}", kind.name(), kind.usual()),
                Source::ThrowAway(server) => println!("{}: a throw-away one at {}", kind.name(), server.url()),
                Source::Missing => println!("{}: none", kind.name()),
            }
        }
    }
}

impl Service {
    fn find(sh: &Shell, kind: Kind) -> anyhow::Result<Self> {
        let is_installed = kind.is_installed();
        Ok(Self { kind, source: Self::source(sh, kind)?, is_installed })
    }

    fn source(sh: &Shell, kind: Kind) -> anyhow::Result<Source> {
        if let Some(url) = sh.var(kind.variable()).ok().filter(|url| kind.is_named_by(url)) {
            // Its URL may hold a password.
            let wanted = || format!("{} names a server that does not answer", kind.variable());
            return kind.probe(&url).map(|_| Source::Named).with_context(wanted);
        }
        if matches!(kind.probe(kind.usual()), Ok(Access::Open)) {
            return Ok(Source::Local);
        }
        match kind.start() {
            Ok(server) => Ok(Source::ThrowAway(server)),
            Err(ServiceError::NotInstalled(_)) => Ok(Source::Missing),
            Err(error) => Err(error).with_context(|| format!("starting a throw-away {}", kind.name())),
        }
    }

    /// Where a throw-away one is; tests find the others by themselves.
    fn url(&self) -> Option<String> {
        if let Source::ThrowAway(server) = &self.source { Some(server.url()) } else { None }
    }
}

impl ThrowAway {
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
        for kind in Kind::ALL {
            let scheme = kind.usual().split_once("://").unwrap().0;
            let _variable = sh.push_env(kind.variable(), format!("{scheme}://127.0.0.1:1/"));
            let error = format!("{:#}", Service::find(&sh, kind).unwrap_err());
            assert!(error.starts_with(kind.variable()), "{error}");
        }
    }

    #[test]
    fn dedicated_postgres_and_dedicated_redis_are_told_to_commands() {
        let sh = Shell::new().unwrap();
        let throw_away = |kind: Kind| Service { kind, source: Source::ThrowAway(kind.start().unwrap()), is_installed: true };
        let services = Services(Kind::ALL.map(throw_away).into());
        let entered = services.enter(&sh);
        for kind in Kind::ALL {
            assert_eq!(kind.probe(&sh.var(kind.variable()).unwrap()).unwrap(), Access::Open);
        }
        assert_eq!((entered.len(), services.missing().count(), services.not_installed().count()), (2, 0, 0));
    }
}
