//! PostgreSQL, PgBouncer and Redis servers for tests.
//!
//! [`Postgres`] and [`Redis`] start installed servers on a free port of `127.0.0.1`, in a new temporary folder, for tests that stop,
//! kill, freeze or fill a server. All functions block. A start takes about a second.
//!
//! ```no_run
//! use onramp_webhooks_services::{Postgres, Redis, RedisOptions};
//!
//! let mut postgres = Postgres::start()?;
//! println!("{}", postgres.url());
//! postgres.stop_immediate()?;
//! postgres.start_again()?;
//!
//! let redis = RedisOptions::new().append_only(true).start()?;
//! redis.freeze()?;
//! redis.thaw()?;
//! # Ok::<(), onramp_webhooks_services::ServiceError>(())
//! ```
//!
//! Dropping the value stops the server. If the process that started it dies without dropping the value, a watchdog kills the server and
//! removes its folder. Tests that need an installed server have `dedicated_postgres` or `dedicated_redis` in their names, so that `cargo
//! xtask test` can skip and report them if none is installed.
//!
//! [`PgBouncer`] stands in front of a PostgreSQL server, in tests with `pgbouncer` in their names. [`SmallDisk`] is a disk to fill, in tests with
//! `mounted_disk` in their names.
//!
//! [`probe`] checks whether a server is already running.

mod address;
mod binaries;
mod error;
mod family;
mod pgbouncer;
mod port;
mod postgres;
pub mod probe;
mod redis;
mod server;
mod small_disk;
mod user;
mod watchdog;

pub use self::error::ServiceError;
pub use self::pgbouncer::{PgBouncer, PgBouncerOptions};
pub use self::postgres::{Postgres, PostgresOptions};
pub use self::redis::{Redis, RedisOptions};
pub use self::small_disk::{Ballast, SmallDisk};

/// Returns whether [`PostgresOptions::start`] finds the installed programs.
#[must_use]
pub fn is_postgres_installed() -> bool {
    binaries::postgres().is_ok()
}

/// Returns whether [`RedisOptions::start`] finds the installed program.
#[must_use]
pub fn is_redis_installed() -> bool {
    binaries::redis().is_ok()
}

/// Returns whether [`PgBouncerOptions::start`] finds the installed program.
#[must_use]
pub fn is_pgbouncer_installed() -> bool {
    binaries::pgbouncer().is_ok()
}
