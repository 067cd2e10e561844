//! Detection of connection poolers.

use onramp_webhooks::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row, raw_sql};
use tokio::time::timeout;

use super::database::{Limit, silence};
use super::error::{code, failed};

/// A setting that the server knows only in the session that began with it.
const SETTING: &str = "onramp.session";

/// Returns whether a connection pooler stands in front of the server of `pool`.
///
/// Its connections to the server are not begun by one client, so it refuses or ignores a setting that a client begins with. The version and
/// the mode of the pooler do not matter.
pub(crate) async fn is_behind_pooler(pool: &PgPool) -> Result<bool, StoreError> {
    let options = PgConnectOptions::clone(&pool.connect_options()).options([(SETTING, "own")]);
    let found = timeout(Limit::Prompt.time(), has_own_session(&options)).await;
    match found.unwrap_or_else(|_| Err(silence(Limit::Prompt))) {
        Ok(true) => return Ok(false),
        Ok(false) => {}
        // A server that does not accept connections now, and may be without a pooler.
        Err(error) if error.as_database_error().is_none() || ["53", "57"].iter().any(|class| code(&error).starts_with(class)) => {
            return Err(failed("connect to the database")(error));
        }
        Err(error) => tracing::debug!(%error, "a setting was refused"),
    }
    tracing::info!(
        "found a connection pooler; statements are unnamed, and work of other machines is found over a direct address or by polling"
    );
    Ok(true)
}

async fn has_own_session(options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = PgConnection::connect_with(options).await?;
    // A prepared statement would be two transactions.
    let setting = format!("SELECT coalesce(current_setting('{SETTING}', true), '')");
    let setting = raw_sql(AssertSqlSafe(setting)).fetch_one(&mut connection).await?;
    let is_own = setting.try_get::<String, _>(0)? == "own";
    connection.close().await?;
    Ok(is_own)
}
