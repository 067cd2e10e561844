//! Scripts that Redis runs, each atomically on one key.

use std::sync::LazyLock;

use redis::{Cmd, cmd};

/// A script with its hash.
pub(crate) struct Script {
    pub(crate) code: &'static str,
    pub(crate) hashed: LazyLock<redis::Script>,
}

/// Declares a script from a file.
macro_rules! script {
    ($file:literal) => {
        $crate::db::Script {
            code: include_str!($file),
            hashed: std::sync::LazyLock::new(|| redis::Script::new(include_str!($file))),
        }
    };
}

pub(crate) use script;

impl Script {
    /// Returns a call by the hash, which fails on a server that does not have the script.
    pub(super) fn by_hash(&self, key: &str, arguments: &[Vec<u8>]) -> Cmd {
        call("EVALSHA", self.hashed.get_hash(), key, arguments)
    }

    /// Returns a call with the whole script, which the server stores.
    pub(super) fn by_text(&self, key: &str, arguments: &[Vec<u8>]) -> Cmd {
        call("EVAL", self.code, key, arguments)
    }
}

fn call(name: &str, script: &str, key: &str, arguments: &[Vec<u8>]) -> Cmd {
    let mut call = cmd(name);
    call.arg(script).arg(1).arg(key).arg(arguments);
    call
}
