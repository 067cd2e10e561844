//! Repair of the sequence of ids.

use sqlx::Error;

use super::database::Database;
use super::error::is_taken_id;

/// Moves the sequence to the largest id. It never moves back: another process may have used the ids in between.
const ADVANCE: &str = "SELECT setval(sequence, greatest(pg_sequence_last_value(sequence), 1,
        (SELECT max(id) FROM onramp.deliveries), (SELECT max(id) FROM onramp.bodies)))
    FROM (SELECT pg_get_serial_sequence('onramp.deliveries', 'id')::regclass AS sequence) AS ids";

impl Database {
    /// Advances the sequence of ids if `error` is that of an id which is taken. A server whose rows were replicated has a sequence behind
    /// them. Returns any other error.
    pub(super) async fn advance_ids(&self, error: Error) -> sqlx::Result<()> {
        if !is_taken_id(&error) {
            return Err(error);
        }
        tracing::warn!(schema = %self.schema, "the sequence of ids is behind the rows; advancing it");
        let mut transaction = self.begin_alone("ids").await?;
        self.schema.query(ADVANCE).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}
