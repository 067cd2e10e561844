//! What is measured.

use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;

use super::{Framework, What};
use crate::process::Server;

/// Requests that repeat have so many keys.
pub(crate) const REPEATED: u64 = 1_000;

/// Sessions that the requests belong to, in turn.
const SESSIONS: u64 = 50_000;

/// Whether keys come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Every request has its own.
    New,
    /// Every request, but for the first of each key.
    Again,
}

/// Who serves.
#[derive(Clone, Copy, Debug)]
enum By {
    /// This program.
    Us(What),
    /// `axum-idempotent` or `actix-idempotent`.
    Peer,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    by: By,
    pub(crate) keys: Keys,
}

/// The rows; the bare handler first.
pub(crate) fn all(peers: bool) -> Vec<Row> {
    let new = |name, by| Row { name, by, keys: Keys::New };
    let again = |name, by| Row { name, by, keys: Keys::Again };
    let mut rows = vec![
        new("bare handler", By::Us(What::Bare)),
        new("extractor", By::Us(What::Extractor)),
        new("allow-list", By::Us(What::AllowList)),
        new("idempotency in memory, new keys", By::Us(What::Idempotency)),
        again("idempotency in memory, replays", By::Us(What::Idempotency)),
        new("durable receiver", By::Us(What::Durable)),
    ];
    if peers {
        rows.extend([new("the peer, new keys", By::Peer), again("the peer, replays", By::Peer)]);
    }
    rows
}

/// Whether a header tells a replay from an answer that is new: `actix-idempotent` marks none, but the session layer above it sends
/// a cookie when the session has changed.
pub(crate) fn marks(header: &str) -> bool {
    ["idempotent-replayed", "idempotency-replayed", "set-cookie"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

impl Row {
    /// Starts the server, and says with which cookies to go there. `None`: the framework has no such peer.
    pub(crate) fn start(&self, framework: Framework) -> anyhow::Result<Option<(Server, Vec<String>)>> {
        let name = framework.to_possible_value().context("a framework with a name")?;
        match self.by {
            By::Us(what) => {
                let what = what.to_possible_value().context("a server with a name")?;
                let server = Server::start(&["serve-in", name.get_name(), what.get_name()])?;
                Ok(Some((server, (0..SESSIONS).map(|n| format!("session={n:021}A")).collect())))
            }
            By::Peer if framework == Framework::Warp => Ok(None),
            By::Peer => {
                let program = std::env::current_exe()?.with_file_name(format!("peers{}", std::env::consts::EXE_SUFFIX));
                let mut server = Server::of(Command::new(program).args([name.get_name(), &SESSIONS.to_string()]))?;
                let cookies = server.line()?.split(' ').map(str::to_owned).collect();
                Ok(Some((server, cookies)))
            }
        }
    }

    /// Whether a load of which so large a part of the answers was marked was the load that is to be measured.
    pub(crate) fn is_as_meant(&self, framework: Framework, marked: f64) -> bool {
        let replays = self.keys == Keys::Again;
        let marks_replays = framework != Framework::Actix || matches!(self.by, By::Us(_));
        if replays == marks_replays { marked > 0.99 } else { marked < 0.01 }
    }
}
