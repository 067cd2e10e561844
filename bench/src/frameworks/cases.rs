//! The cases of the benchmark.

use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;

use super::{Component, Framework};
use crate::process::Server;

/// The number of keys of a load with repeated keys.
pub(crate) const REPEATED_KEYS: u64 = 1_000;

/// The number of sessions, which the requests use in turn.
const SESSIONS: u64 = 50_000;

/// The idempotency keys of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Every request has a new key.
    New,
    /// Every request repeats a key, except for the first with each key.
    Repeated,
}

/// The program that serves a case.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// This program, with one of our components.
    Ours(Component),
    /// `axum-idempotent` or `actix-idempotent`.
    Peer,
}

/// A case, which is a row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    program: Program,
    pub(crate) keys: Keys,
}

/// Returns all cases, the bare handler first.
pub(crate) fn all(peers: bool) -> Vec<Case> {
    let new = |name, program| Case { name, program, keys: Keys::New };
    let repeated = |name, program| Case { name, program, keys: Keys::Repeated };
    let mut cases = vec![
        new("bare handler", Program::Ours(Component::Bare)),
        new("extractor", Program::Ours(Component::Extractor)),
        new("allow-list", Program::Ours(Component::AllowList)),
        new("idempotency in memory, new keys", Program::Ours(Component::Idempotency)),
        repeated("idempotency in memory, replays", Program::Ours(Component::Idempotency)),
        new("durable receiver", Program::Ours(Component::Durable)),
    ];
    if peers {
        cases.extend([new("the peer, new keys", Program::Peer), repeated("the peer, replays", Program::Peer)]);
    }
    cases
}

/// Returns whether this header distinguishes a replay from a new response. `actix-idempotent` sets no such header, but the session layer
/// above it sends a cookie when the session has changed.
pub(crate) fn marks(header: &str) -> bool {
    ["idempotent-replayed", "idempotency-replayed", "set-cookie"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

impl Case {
    /// Starts the server, and returns the cookies for its requests. Returns `None` if the framework has no peer.
    pub(crate) fn start(&self, framework: Framework) -> anyhow::Result<Option<(Server, Vec<String>)>> {
        let name = framework.to_possible_value().context("a framework with a name")?;
        match self.program {
            Program::Ours(component) => {
                let component = component.to_possible_value().context("a component with a name")?;
                let server = Server::start(&["serve-in", name.get_name(), component.get_name()])?;
                Ok(Some((server, (0..SESSIONS).map(|n| format!("session={n:021}A")).collect())))
            }
            Program::Peer if framework == Framework::Warp => Ok(None),
            Program::Peer => {
                let program = std::env::current_exe()?.with_file_name(format!("peers{}", std::env::consts::EXE_SUFFIX));
                let mut server = Server::start_program(Command::new(program).args([name.get_name(), &SESSIONS.to_string()]))?;
                let cookies = server.line()?.split(' ').map(str::to_owned).collect();
                Ok(Some((server, cookies)))
            }
        }
    }

    /// Returns `true` if the fraction of marked responses shows that the load consisted of replays or new keys as intended.
    pub(crate) fn is_valid(&self, framework: Framework, marked: f64) -> bool {
        let replays = self.keys == Keys::Repeated;
        let marks_replays = framework != Framework::Actix || matches!(self.program, Program::Ours(_));
        if replays == marks_replays { marked > 0.99 } else { marked < 0.01 }
    }
}
