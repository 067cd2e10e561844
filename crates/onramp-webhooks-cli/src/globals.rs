//! The flags that every command has.

use clap::{ArgAction, Args, ValueEnum};

use crate::database::Address;
use crate::exit::CliError;

/// Flags of every command.
#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The inbox: sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE. Prefer the environment variable for a URL with a password
    #[arg(long, global = true, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// The PostgreSQL schema of the inbox
    #[arg(long, global = true, value_name = "NAME", env = "ONRAMP_SCHEMA", default_value = "onramp")]
    pub(crate) schema: String,
    /// Write JSON to standard output: one object, or one object in each line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use color: auto follows the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto)]
    pub(crate) color: ColorWhen,
    /// Show times in UTC instead of the local time zone
    #[arg(long, global = true)]
    pub(crate) utc: bool,
    /// Show personal data, which is masked otherwise
    #[arg(long, global = true)]
    pub(crate) reveal: bool,
    /// Write results and errors only: no progress, hints or notes
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Write the log to standard error: warnings; twice for information, three times for everything
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
}

/// A choice about color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl Globals {
    /// Returns the address of the inbox, if there is one. An empty variable is the same as none.
    pub(crate) fn database(&self) -> Result<Option<Address>, CliError> {
        self.database_url.as_deref().filter(|url| !url.is_empty()).map(Address::parse).transpose()
    }

    /// Returns the address of the inbox.
    pub(crate) fn required_database(&self) -> Result<Address, CliError> {
        let missing = || {
            CliError::Usage("the address of the inbox is missing".to_owned())
                .hint("add `--database-url sqlite://shop.db`, or set DATABASE_URL as in the environment of the shop")
        };
        self.database()?.ok_or_else(missing)
    }
}
