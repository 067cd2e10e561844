//! A warning about servers that evict keys when their memory is full.

use onramp_webhooks::StoreError;
use redis::{Value, cmd};

use super::error::{failed, is_not_allowed};
use super::server::Server;

const CONTEXT: &str = "read the settings of Redis";

/// Logs a warning if the server evicts keys when its memory is full. If the user has no permission to read the settings, nothing is
/// logged.
pub(crate) async fn warn_of_eviction(server: &Server) -> Result<(), StoreError> {
    let mut info = cmd("INFO");
    info.arg("memory");
    let settings = async {
        match server.connection.send(&info).await {
            Err(error) if is_not_allowed(&error) => Ok(None),
            reply => reply.map(Some).map_err(failed(CONTEXT)),
        }
    };
    if let Some(policy) = server.in_time(CONTEXT, settings).await?.as_ref().and_then(policy) {
        tracing::warn!(
            maxmemory_policy = policy,
            "Redis will evict idempotency keys when its memory is full, and requests will run again; set noeviction"
        );
    }
    Ok(())
}

/// Returns the policy by which a full server evicts the store's keys, or `None` if it evicts no keys or the policy is unknown.
///
/// `info` is the reply to `INFO`: one text, or one text for each node of a cluster.
fn policy(info: &Value) -> Option<&str> {
    match info {
        Value::BulkString(text) => of_text(str::from_utf8(text).ok()?),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => of_text(text),
        Value::Map(nodes) => nodes.iter().find_map(|(_, info)| policy(info)),
        Value::Array(nodes) => nodes.iter().find_map(policy),
        _ => None,
    }
}

fn of_text(info: &str) -> Option<&str> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let policy = field("maxmemory_policy").filter(|policy| *policy != "noeviction")?;
    // Without a limit nothing is evicted.
    (field("maxmemory") != Some("0")).then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(memory: &str, policy: &str) -> Value {
        let info =
            format!("# Memory\r\nused_memory:1\r\nmaxmemory:{memory}\r\nmaxmemory_human:x\r\nmaxmemory_policy:{policy}\r\n");
        Value::BulkString(info.into_bytes())
    }

    #[test]
    fn only_a_policy_that_can_remove_our_keys_is_named() {
        assert_eq!(policy(&text("1000", "allkeys-lru")), Some("allkeys-lru"));
        assert_eq!(policy(&text("1000", "volatile-ttl")), Some("volatile-ttl"), "our keys have a time to live");
        assert_eq!(policy(&text("0", "allkeys-lru")), None);
        assert_eq!(policy(&text("1000", "noeviction")), None);
        assert_eq!(policy(&Value::Nil), None);
        let node = |info| (Value::BulkString(b"127.0.0.1:1".to_vec()), info);
        let nodes = Value::Map(vec![node(text("0", "noeviction")), node(text("9", "allkeys-lfu"))]);
        assert_eq!(policy(&nodes), Some("allkeys-lfu"));
    }
}
