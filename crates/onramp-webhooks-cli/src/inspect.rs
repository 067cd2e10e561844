//! The command `onramp-webhooks inspect`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Redirect;
use axum::routing::get;
use clap::Args;
use onramp_webhooks_server::Server;
use serde_json::json;
use tokio::sync::Notify;

use crate::database::Address;
use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::inspector::{self, TokenArgs};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::socket;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks inspect
  onramp-webhooks inspect --read-only --listen 127.0.0.1:0";

/// Serve a page over the inbox: what needs attention, the deliveries, and what mends them
///
/// Exit code: 0 after Ctrl-C or SIGTERM, 130 after a second one.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// The address of the page. One that others can reach needs a token
    #[arg(long, value_name = "ADDRESS", env = "INSPECTOR_LISTEN", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Change no delivery, and reveal no personal data
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    token: TokenArgs,
}

impl Inspect {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let token = self.token.token()?;
        token.check(self.listen)?;
        let database = globals.required_database()?;
        let mut interrupts = Interrupts::listen()?;
        let inbox = match self.read_only {
            true => database.open_for_reading(&globals.schema).await?,
            false => database.open(&globals.schema).await?,
        };
        let (listener, address) = socket::bind(self.listen).await?;
        let link = token.link(socket::from_here(address));

        let page = token.inspector(inbox).title("Inbox", database.to_string());
        let page = if self.read_only { page.read_only() } else { page };
        let app = Router::new().route("/", get(|| async { Redirect::temporary("inspect/") }));
        let app = inspector::mount(app, page)?;
        self.banner(&link, address, &database, output)?;

        let stop = Notify::new();
        let stopping = async {
            interrupts.next().await;
            output.note(&Line::new().text("stopping"));
            stop.notify_one();
            interrupts.next().await;
        };
        Ok(tokio::select! {
            () = Server::new(listener).serve(app, ConnectInfo::<SocketAddr>, stop.notified()) => ExitStatus::Success,
            () = stopping => ExitStatus::Interrupted,
        })
    }

    fn banner(&self, link: &str, address: SocketAddr, database: &Address, output: &Output) -> Result<(), CliError> {
        if output.json {
            return output.object(&json!({
                "object": "inspect",
                "address": address.to_string(),
                "inspector": link,
                "inbox": database.to_string(),
                "read_only": self.read_only,
            }));
        }
        output.labeled("Inspector", link)?;
        output.labeled("Inbox", &format!("{database}{}", if self.read_only { ", read only" } else { "" }))
    }
}
