//! Kinds of servers that tests need.

use std::io;

use onramp_webhooks_services::probe::{self, Access};
use onramp_webhooks_services::{PostgresOptions, Redis, ServiceError};

use super::Temporary;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Redis,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Redis];

    /// Name in output, and as a store of the matrix.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// Packages in which every test needs a server of this kind.
    pub(crate) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["onramp-webhooks-postgres"],
            Self::Redis => &["onramp-webhooks-redis"],
        }
    }

    /// Part of the names of tests in other packages that need a server of this kind.
    pub(crate) fn on(self) -> &'static str {
        match self {
            Self::Postgres => "on_postgres",
            Self::Redis => "on_redis",
        }
    }

    /// Part of the names of tests that start their own server.
    pub(crate) fn dedicated(self) -> &'static str {
        match self {
            Self::Postgres => "dedicated_postgres",
            Self::Redis => "dedicated_redis",
        }
    }

    /// Environment variable with the URL of a server.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "DATABASE_URL",
            Self::Redis => "REDIS_URL",
        }
    }

    /// Returns whether a URL in the variable is of this kind. For the shops, `DATABASE_URL` may be an SQLite file.
    pub(crate) fn is_named_by(self, url: &str) -> bool {
        match self {
            Self::Postgres => url.starts_with("postgres"),
            Self::Redis => !url.is_empty(),
        }
    }

    /// URL that tests use when the variable is not set.
    pub(crate) fn usual(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres@127.0.0.1:5432/postgres",
            Self::Redis => "redis://127.0.0.1:6379/",
        }
    }

    /// Reason why there is no server.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            Self::Postgres => {
                "no PostgreSQL: DATABASE_URL is not set, none at 127.0.0.1:5432 accepts user postgres without a password, and none is installed"
            }
            Self::Redis => {
                "no Redis: REDIS_URL is not set, none at 127.0.0.1:6379 accepts connections without a password, and none is installed"
            }
        }
    }

    pub(crate) fn probe(self, url: &str) -> io::Result<Access> {
        match self {
            Self::Postgres => probe::postgres(url),
            Self::Redis => probe::redis(url),
        }
    }

    pub(crate) fn is_installed(self) -> bool {
        match self {
            Self::Postgres => onramp_webhooks_services::is_postgres_installed(),
            Self::Redis => onramp_webhooks_services::is_redis_installed(),
        }
    }

    pub(crate) fn start(self) -> Result<Temporary, ServiceError> {
        match self {
            // Many tests connect at the same time.
            Self::Postgres => PostgresOptions::new().max_connections(300).start().map(Temporary::Postgres),
            Self::Redis => Redis::start().map(Temporary::Redis),
        }
    }
}
