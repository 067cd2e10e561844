//! The customers' points, in the database of the inbox: they change in the transaction in which a delivery is completed.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use onramp_webhooks::event::BigDecimal;
use onramp_webhooks_sqlite::rusqlite;

use self::postgres::PostgresPoints;
use self::sqlite::SqlitePoints;

/// Every customer's points. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Points {
    Sqlite(SqlitePoints),
    Postgres(PostgresPoints),
}

/// The points could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PointsError {
    #[error("the points' file failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the points' server failed")]
    Postgres(#[from] sqlx::Error),
    #[error("the database holds points that are not a number: {0:?}")]
    NotANumber(String),
    #[error("the reading thread failed")]
    Thread(#[from] tokio::task::JoinError),
}

impl Points {
    /// Returns a customer's points, which are zero for an unknown customer.
    pub(crate) async fn of(&self, customer: &str) -> Result<String, PointsError> {
        let points = match self {
            Self::Sqlite(points) => points.of(customer).await?,
            Self::Postgres(points) => points.of(customer).await?,
        };
        Ok(plain(&points))
    }
}

fn number(points: Option<String>) -> Result<BigDecimal, PointsError> {
    points.map_or(Ok(BigDecimal::default()), |points| points.parse().map_err(|_| PointsError::NotANumber(points)))
}

/// Formats points without trailing zeros and without an exponent, such as `200` or `1283.501`.
fn plain(points: &BigDecimal) -> String {
    points.normalized().to_plain_string()
}
