//! The command `onramp-webhooks widget`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use onramp_webhooks::event::Amount;
use onramp_webhooks_client::KriptomatApi;
use onramp_webhooks_client::kriptomat::{Widget as Started, WidgetRequest};
use onramp_webhooks_client::{ClientError, ClientErrorKind};
use serde_json::json;

use crate::exit::{CliError, ExitStatus};
use crate::globals::Globals;
use crate::output::Output;
use crate::secret;
use crate::text::Line;

const EXAMPLES: &str = "Examples:
  onramp-webhooks widget init --fiat 35 --asset eth --field 0=customer-42";

/// Start a widget.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Widget {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(Box<Init>),
}

/// Start Kriptomat's widget, and print the address to send the customer to.
///
/// With an inbox, the purchase is stored first, so that a shop that credits only what it started accepts the postback.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct Init {
    /// The token of Kriptomat's API. Prefer the environment variable, because other users of the machine can see command lines
    #[arg(long, value_name = "TOKEN", env = "KRIPTOMAT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file with that token
    #[arg(long, value_name = "FILE", env = "KRIPTOMAT_TOKEN_FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The base URL of Kriptomat's API. Without it, the production API is used
    #[arg(long, value_name = "URL", env = "KRIPTOMAT_API_URL")]
    api_url: Option<String>,
    /// The amount to pay, in the currency of the account
    #[arg(long, value_name = "AMOUNT", conflicts_with = "crypto")]
    fiat: Option<Amount>,
    /// The amount of crypto to buy
    #[arg(long, value_name = "AMOUNT")]
    crypto: Option<Amount>,
    /// The crypto to buy, such as eth
    #[arg(long, value_name = "CODE")]
    asset: Option<String>,
    /// The network of the crypto
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// The address that receives the crypto. Needs --asset or --network
    #[arg(long)]
    address: Option<String>,
    /// The address of the postback: your endpoint, with its secret
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// A field that the postback returns; 0 is the customer
    #[arg(long, value_name = "NAME=TEXT", value_parser = parse_field)]
    field: Vec<(String, String)>,
}

impl Widget {
    pub(crate) async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let Command::Init(init) = self.command;
        init.run(globals, output).await
    }
}

impl Init {
    async fn run(self, globals: &Globals, output: &Output) -> Result<ExitStatus, CliError> {
        let token = secret::text_or_file("--token", self.token.as_deref(), self.token_file.as_deref())?;
        let missing = || CliError::Usage("the token of Kriptomat's API is missing".to_owned()).hint("export KRIPTOMAT_TOKEN=...");
        let token = token.ok_or_else(missing)?.trim().to_owned();
        let api = match self.api_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => KriptomatApi::at(url, token),
            None => KriptomatApi::production(token),
        };
        let api = api.build().map_err(|error| CliError::Usage(format!("--token, --api-url: {error}")))?;
        let request = self.request();
        let widget = match globals.database()? {
            Some(database) => {
                let (_, purchases) = database.open_with_purchases(&globals.schema).await?;
                api.start(&request, &*purchases).await.map_err(failed)?
            }
            None => {
                let widget = api.init(&request).await.map_err(failed)?;
                let note = "the purchase was not stored: a shop that credits only what it started refuses it, unless --database-url names its inbox";
                output.note(&Line::new().text(note));
                widget
            }
        };
        write(&widget, output)?;
        Ok(ExitStatus::Success)
    }

    fn request(self) -> WidgetRequest {
        let request = self.asset.into_iter().fold(WidgetRequest::new(), WidgetRequest::asset_type);
        let request = self.network.into_iter().fold(request, WidgetRequest::network);
        let request = self.address.into_iter().fold(request, |request, address| request.to_address(&*address));
        let request = self.webhook_url.into_iter().fold(request, WidgetRequest::webhook_url);
        let request = self.fiat.into_iter().fold(request, WidgetRequest::fiat_amount);
        let request = self.crypto.into_iter().fold(request, WidgetRequest::crypto_amount);
        self.field.into_iter().fold(request, |request, (name, text)| request.additional_field(name, text))
    }
}

fn write(widget: &Started, output: &Output) -> Result<(), CliError> {
    let uuid = widget.uuid.as_ref().map(|uuid| uuid.as_str());
    match output.json {
        true => output.object(&json!({ "object": "widget", "url": widget.url, "uuid": uuid })),
        false => output.line(&Line::new().text(&widget.url)),
    }
}

/// A request that breaks a rule is the user's to correct; nothing was sent.
fn failed(error: ClientError) -> CliError {
    match error.kind() {
        ClientErrorKind::Invalid => CliError::Usage(error.to_string()),
        _ => CliError::with_source("widget init", &error),
    }
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    let (name, text) = text.split_once('=').ok_or("expected NAME=TEXT, such as 0=customer-42")?;
    Ok((name.to_owned(), text.to_owned()))
}
