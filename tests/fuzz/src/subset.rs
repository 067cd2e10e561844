//! Comparing JSON that was read and written again.

use serde_json::Value;

/// Returns whether `read` has everything of `written`, except members that it lacks.
pub(crate) fn has(read: &Value, written: &Value) -> bool {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            written.iter().all(|(name, written)| read.get(name).is_none_or(|read| has(read, written)))
        }
        (Value::Array(read), Value::Array(written)) => {
            read.len() == written.len() && read.iter().zip(written).all(|(read, written)| has(read, written))
        }
        _ => read == written,
    }
}
