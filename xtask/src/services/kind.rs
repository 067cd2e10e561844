//! Kinds of servers that tests need.

use std::io;

use onramp_webhooks_services::probe::{self, Access};
use onramp_webhooks_services::{PostgresOptions, Redis, ServiceError};

use super::Temporary;

/// A kind of server.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Name in output, and as a store of the matrix.
    pub(crate) name: &'static str,
    /// The package in which every test needs a server of this kind.
    pub(crate) package: &'static str,
    /// Part of the names of tests in other packages that need a server of this kind.
    pub(crate) on: &'static str,
    /// Part of the names of tests that start their own server.
    pub(crate) dedicated: &'static str,
    /// Environment variable with the URL of a server.
    pub(crate) variable: &'static str,
    /// Beginning of URLs of this kind. For the shops, `DATABASE_URL` may be an SQLite file.
    pub(crate) scheme: &'static str,
    /// URL that tests use when the variable is not set.
    pub(crate) usual: &'static str,
    /// Reason why there is no server.
    pub(crate) missing: &'static str,
    pub(crate) probe: fn(&str) -> io::Result<Access>,
    pub(crate) is_installed: fn() -> bool,
    pub(crate) start: fn() -> Result<Temporary, ServiceError>,
}

pub(crate) static KINDS: [Kind; 2] = [
    Kind {
        name: "postgres",
        package: "onramp-webhooks-postgres",
        on: "on_postgres",
        dedicated: "dedicated_postgres",
        variable: "DATABASE_URL",
        scheme: "postgres",
        // With TLS, which Debian's server has, each connection takes 90 ms, most of it waiting for delayed acknowledgements:
        // https://github.com/transact-rs/sqlx/issues/4335.
        usual: "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable",
        missing: "no PostgreSQL: DATABASE_URL is not set, none at 127.0.0.1:5432 accepts user postgres without a password, and none is installed",
        probe: probe::postgres,
        is_installed: onramp_webhooks_services::is_postgres_installed,
        // Many tests connect at the same time.
        start: || PostgresOptions::new().max_connections(300).start().map(Temporary::Postgres),
    },
    Kind {
        name: "redis",
        package: "onramp-webhooks-redis",
        on: "on_redis",
        dedicated: "dedicated_redis",
        variable: "REDIS_URL",
        scheme: "",
        usual: "redis://127.0.0.1:6379/",
        missing: "no Redis: REDIS_URL is not set, none at 127.0.0.1:6379 accepts connections without a password, and none is installed",
        probe: probe::redis,
        is_installed: onramp_webhooks_services::is_redis_installed,
        start: || Redis::start().map(Temporary::Redis),
    },
];
