//! Fuzz targets: each checks a property for any bytes, and panics if it does not hold. See the README.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a target fails by panicking")]
#![expect(clippy::exhaustive_structs, reason = "a test, which nothing depends on")]

mod amount;
mod client_ip;
mod cursor;
mod event;
mod fixtures;
mod form;
mod forwarded;
mod idempotency;
mod inbox;
mod inbox_sqlite;
mod inspector;
mod json_line;
mod mutate;
mod parts;
mod path_secret;
mod proxy_header;
mod respell;
mod runtime;
mod stored_reply;
mod subset;
mod wert_api;

use std::fmt;

pub use self::mutate::mutated;

/// A property of any bytes, and inputs to begin with.
pub struct Target {
    /// The name, which commands and folders have.
    pub name: &'static str,
    /// Checks the property, and panics if it does not hold.
    pub run: fn(&[u8]),
    /// Returns inputs that reach much of the code.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

macro_rules! targets {
    ($($module:ident)+) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($module), run: $module::run, seeds: $module::seeds }),+];
    };
}

targets! {
    amount
    client_ip
    cursor
    event
    form
    idempotency
    inbox
    inbox_sqlite
    inspector
    json_line
    path_secret
    proxy_header
    stored_reply
    wert_api
}

impl Target {
    /// Returns the target called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
