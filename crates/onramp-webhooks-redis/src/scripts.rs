//! What Redis runs: one script for each operation, about one key, and atomic.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

/// A script, and the hash that it is called by.
pub(crate) struct Operation {
    code: &'static str,
    script: LazyLock<Script>,
}

macro_rules! operation {
    ($file:literal) => {
        Operation { code: include_str!($file), script: LazyLock::new(|| Script::new(include_str!($file))) }
    };
}

pub(crate) static CLAIM: Operation = operation!("scripts/claim.lua");
pub(crate) static RENEW: Operation = operation!("scripts/renew.lua");
pub(crate) static COMPLETE: Operation = operation!("scripts/complete.lua");
pub(crate) static RELEASE: Operation = operation!("scripts/release.lua");

impl Operation {
    /// Calls it by its hash, which a server that has not seen it does not know.
    pub(crate) fn by_hash(&self, key: &str, arguments: &[Vec<u8>]) -> Cmd {
        call("EVALSHA", self.script.get_hash(), key, arguments)
    }

    /// Calls it by its text, which the server remembers.
    pub(crate) fn by_text(&self, key: &str, arguments: &[Vec<u8>]) -> Cmd {
        call("EVAL", self.code, key, arguments)
    }
}

fn call(name: &str, script: &str, key: &str, arguments: &[Vec<u8>]) -> Cmd {
    let mut call = cmd(name);
    call.arg(script).arg(1).arg(key).arg(arguments);
    call
}
