//! The disk space of the tables.

use onramp_webhooks::inbox::Space;
use sqlx::PgConnection;

use crate::db::{Schema, column};

// Reads the sizes of all tables in the schema, with their indexes and large values.
const SPACE: &str = "SELECT pg_total_relation_size('onramp.bodies') AS bodies, sum(pg_total_relation_size(oid))::bigint AS whole
    FROM pg_class WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'onramp.bodies'::regclass)";

/// Returns the space that the tables take on the server's disk.
pub(super) async fn space(connection: &mut PgConnection, schema: &Schema) -> sqlx::Result<Space> {
    let row = schema.query(SPACE).fetch_one(connection).await?;
    let (bodies, all) = (column::count(&row, "bodies")?, column::count(&row, "whole")?);
    Ok(Space::new(bodies, all.saturating_sub(bodies)))
}
