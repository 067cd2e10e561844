//! The schema of the tables.

use std::fmt;

use onramp_webhooks::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryScalar};
use sqlx::{AssertSqlSafe, FromRow, Postgres};

/// The maximum length of a name. PostgreSQL allows 63 bytes, and the name of the channel is longer than that of the schema.
const LONGEST: usize = 48;

/// A schema with a name that is safe inside a statement.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    name: String,
    /// Set if a connection keeps its prepared statements for its next transaction.
    keeps_statements: bool,
}

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self, StoreError> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && !name.starts_with("pg_");
        let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if begins && is_plain && name.len() <= LONGEST {
            return Ok(Self { name: name.to_owned(), keeps_statements: true });
        }
        Err(StoreError::new(StoreErrorKind::Unusable, "open the database").because(format!(
            "{name:?} is not a valid schema name; use 1 to {LONGEST} characters of a to z, 0 to 9 and _, and begin with neither a digit nor pg_"
        )))
    }

    /// Sets whether statements are unnamed, and prepared for one execution.
    pub(crate) fn unnamed_statements(mut self, unnamed: bool) -> Self {
        self.keeps_statements = !unnamed;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the channel of notifications between the inboxes that share the schema.
    pub(crate) fn channel(&self) -> String {
        format!("{}_work", self.name)
    }

    /// Returns a query with a statement, which is written for the schema `onramp`, for this schema.
    pub(crate) fn query(&self, statement: &str) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(self.sql(statement)).persistent(self.keeps_statements)
    }

    /// Returns a query as [`query`](Self::query) does, for one column.
    pub(crate) fn scalar<T>(&self, statement: &str) -> QueryScalar<'static, Postgres, T, PgArguments>
    where
        (T,): for<'row> FromRow<'row, PgRow>,
    {
        sqlx::query_scalar(self.sql(statement)).persistent(self.keeps_statements)
    }

    pub(super) fn sql(&self, statement: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace("onramp.", &format!("\"{}\".", self.name)))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken() {
        for name in ["onramp", "shop_webhooks", "_2", "order", &"x".repeat(LONGEST)] {
            assert!(Schema::new(name).is_ok(), "{name}");
        }
        for name in
            ["", "Shop", "2nd", "a-b", "a b", "a\"; DROP SCHEMA x; --", "pg_catalog", "käse", "a.b", &"x".repeat(LONGEST + 1)]
        {
            assert_eq!(Schema::new(name).unwrap_err().kind(), StoreErrorKind::Unusable, "{name}");
        }
    }

    #[test]
    fn statements_are_for_the_schema() {
        let statement = Schema::new("order").unwrap().sql("SELECT d.id FROM onramp.deliveries d, onramp.bodies b");
        assert_eq!(statement.0, r#"SELECT d.id FROM "order".deliveries d, "order".bodies b"#);
    }
}
