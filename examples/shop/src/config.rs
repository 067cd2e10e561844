//! The shop's configuration, from environment variables.

use std::env::VarError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};
use onramp_webhooks::provider::Endpoint;
use onramp_webhooks_client::{ClientError, KriptomatApi, WertDataApi};

use crate::secret;

/// The configuration from the environment.
#[derive(Clone)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) database: Database,
    pub(crate) spill: Option<PathBuf>,
    pub(crate) handles: bool,
    pub(crate) wert_endpoint: Endpoint,
    pub(crate) kriptomat_allow: AllowList,
    pub(crate) client_ip: ClientIp,
    /// The proxies that begin each connection with a header of the PROXY protocol.
    pub(crate) proxy_protocol: AllowList,
    pub(crate) wert: Option<WertDataApi>,
    pub(crate) reconcile: Reconcile,
    pub(crate) kriptomat: Option<KriptomatApi>,
    pub(crate) public_url: Option<String>,
    /// The maximum number of started purchases that wait for payment.
    pub(crate) buy_limit: usize,
}

/// The schedule of the reconciliation.
#[derive(Clone, Copy)]
pub(crate) struct Reconcile {
    /// The pause between two runs.
    pub(crate) every: Duration,
    /// The minimum age of an order without a webhook to count as missing. The webhook of a younger order may still arrive.
    pub(crate) grace: Duration,
}

/// The database of the inbox and the points.
#[derive(Clone)]
pub(crate) enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL server, which may contain a password.
    Postgres(String),
}

/// Error of an invalid environment variable.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct ConfigError {
    variable: &'static str,
    reason: String,
}

impl Config {
    /// Reads the environment of the process.
    ///
    /// # Errors
    /// If a variable is invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|variable| std::env::var(variable))
    }

    fn from_variables(get: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, ConfigError> {
        let variable = |name: &'static str, default: &str| match get(name) {
            Ok(value) => Ok(Variable { name, value }),
            Err(VarError::NotPresent) => Ok(Variable { name, value: default.to_owned() }),
            Err(VarError::NotUnicode(_)) => Err(ConfigError { variable: name, reason: "is not UTF-8".into() }),
        };
        let trusted: AllowList = variable("TRUSTED_PROXIES", "")?.parse()?;
        let header: ForwardingHeader = variable("CLIENT_IP_HEADER", "x-forwarded-for")?.parse()?;
        let listen = variable("LISTEN", "127.0.0.1:8080")?.parse()?;
        Ok(Self {
            listen,
            database: variable("DATABASE_URL", "sqlite://shop.db")?.read(database)?,
            spill: variable("SPILL", "")?.read(spill)?,
            handles: variable("HANDLE", "yes")?.read(yes_or_no)?,
            wert_endpoint: secret::wert(
                variable("WERT_SECRET", secret::DEVELOPMENT)?,
                variable("WERT_SECRET_FILE", "")?,
                listen,
            )?,
            kriptomat_allow: variable("KRIPTOMAT_ALLOW", "174.138.2.203")?.parse()?,
            client_ip: ClientIp::behind(trusted, header),
            proxy_protocol: variable("PROXY_PROTOCOL", "")?.parse()?,
            wert: api(variable("WERT_API_KEY", "")?, variable("WERT_API_URL", "")?, wert_api)?,
            reconcile: Reconcile {
                every: variable("RECONCILE_EVERY", "900")?.read(seconds)?,
                grace: variable("RECONCILE_GRACE", "900")?.read(seconds)?,
            },
            kriptomat: api(variable("KRIPTOMAT_TOKEN", "")?, variable("KRIPTOMAT_API_URL", "")?, kriptomat_api)?,
            buy_limit: variable("BUY_LIMIT", "10000")?.parse()?,
            public_url: Some(variable("PUBLIC_URL", "")?.value).filter(|url| !url.is_empty()),
        })
    }
}

impl std::fmt::Debug for Config {
    /// Omits the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("listen", &self.listen).field("spill", &self.spill).finish_non_exhaustive()
    }
}

/// The value of a variable, or its default.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Variable {
    fn parse<T: FromStr<Err: std::fmt::Display>>(self) -> Result<T, ConfigError> {
        self.read(|value| value.parse().map_err(|error: T::Err| error.to_string()))
    }

    pub(crate) fn read<T>(self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        read(&self.value).map_err(|reason| ConfigError { variable: self.name, reason })
    }
}

/// Builds the client of a provider's API. Returns `None` without a key. The default URL is the provider's own.
fn api<A>(
    key: Variable,
    url: Variable,
    build: impl FnOnce(Option<String>, String) -> Result<A, ClientError>,
) -> Result<Option<A>, ConfigError> {
    if key.value.is_empty() {
        return Ok(None);
    }
    let url_is_given = !url.value.is_empty();
    let variable = if url_is_given { url.name } else { key.name };
    let built = build(url_is_given.then_some(url.value), key.value);
    built.map(Some).map_err(|error| ConfigError { variable, reason: error.to_string() })
}

fn wert_api(url: Option<String>, key: String) -> Result<WertDataApi, ClientError> {
    url.map_or_else(|| WertDataApi::production(&*key), |url| WertDataApi::at(url, &*key)).build()
}

fn kriptomat_api(url: Option<String>, token: String) -> Result<KriptomatApi, ClientError> {
    url.map_or_else(|| KriptomatApi::production(&*token), |url| KriptomatApi::at(url, &*token)).build()
}

fn seconds(value: &str) -> Result<Duration, String> {
    value.parse().map(Duration::from_secs).map_err(|_| "is not a number of seconds".into())
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("is neither yes nor no".into()),
    }
}

fn database(url: &str) -> Result<Database, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(url.to_owned()));
    }
    // The rest of the URL may contain a password.
    let scheme = url.split_once(':').map_or("no", |(scheme, _)| scheme);
    let wanted = || format!("must be a URL such as sqlite://shop.db or postgres://user@host/database, but has {scheme} scheme");
    sqlite_file(url).ok_or_else(wanted)?.map(Database::Sqlite)
}

fn spill(url: &str) -> Result<Option<PathBuf>, String> {
    if url.is_empty() {
        return Ok(None);
    }
    sqlite_file(url).ok_or("must be the URL of a local file, such as sqlite://spill.db")?.map(Some)
}

/// Returns the file of `sqlite://FILE` or `sqlite:FILE`, without the query, or `None` for other URLs.
fn sqlite_file(url: &str) -> Option<Result<PathBuf, String>> {
    let file = url.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    let file = file.split_once('?').map_or(file, |(file, _)| file);
    if file.is_empty() || file.starts_with(':') {
        return Some(Err("contains no file name, unlike sqlite://shop.db".into()));
    }
    Some(Ok(file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variable: &str, value: &str) -> Result<Config, ConfigError> {
        Config::from_variables(|name| if name == variable { Ok(value.into()) } else { Err(VarError::NotPresent) })
    }

    #[test]
    fn every_form_of_the_database_address_names_the_file() {
        for (url, file) in [
            ("sqlite://shop.db", "shop.db"),
            ("sqlite:shop.db", "shop.db"),
            ("sqlite://data/shop.db?mode=rwc", "data/shop.db"),
            ("sqlite:///var/lib/shop.db", "/var/lib/shop.db"),
            ("sqlite:/var/lib/shop.db", "/var/lib/shop.db"),
        ] {
            let Database::Sqlite(found) = config("DATABASE_URL", url).unwrap().database else { panic!("{url} is a file") };
            assert_eq!(found, PathBuf::from(file), "{url}");
            assert_eq!(config("SPILL", url).unwrap().spill, Some(found));
        }
    }

    #[test]
    fn a_providers_address_that_cannot_be_used_is_named_without_its_key() {
        let get = |name: &str| match name {
            "WERT_API_KEY" => Ok("hush".to_owned()),
            "WERT_API_URL" => Ok("http://partner.example".to_owned()),
            _ => Err(VarError::NotPresent),
        };
        let error = Config::from_variables(get).unwrap_err().to_string();
        assert!(error.starts_with("WERT_API_URL: ") && !error.contains("hush"), "{error}");
        assert!(config("WERT_API_KEY", "hush").unwrap().wert.is_some());
        assert!(config("WERT_API_URL", "https://partner.example").unwrap().wert.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named_and_passwords_are_not_repeated() {
        for (variable, value) in [
            ("DATABASE_URL", "mysql://me:hush@db/shop"),
            ("DATABASE_URL", "shop.db"),
            ("DATABASE_URL", "sqlite::memory:"),
            ("DATABASE_URL", "sqlite://?mode=memory"),
            ("SPILL", "postgres://me:hush@db/shop"),
            ("SPILL", "sqlite:"),
            ("HANDLE", "maybe"),
            ("RECONCILE_EVERY", "often"),
            ("RECONCILE_GRACE", "-1"),
            ("BUY_LIMIT", "many"),
            ("LISTEN", "8080"),
            ("WERT_SECRET", ""),
            ("WERT_SECRET", "hush"),
            ("WERT_SECRET", "hush-hush-hush-hush\n"),
            ("KRIPTOMAT_ALLOW", "kriptomat.io"),
            ("TRUSTED_PROXIES", "10.0.0.0/33"),
            ("CLIENT_IP_HEADER", "x forwarded for"),
            ("PROXY_PROTOCOL", "yes"),
        ] {
            let error = config(variable, value).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{variable}: ")) && !error.contains("hush"), "{error}");
        }
    }
}
