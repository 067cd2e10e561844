//! Whether Redis throws away keys that count.

use redis::Value;

/// The policy by which a server that is full removes keys, ours among them; `None`: it does not, or did not say.
///
/// Takes what `INFO` answers: one text, or one of each node of a cluster.
pub(crate) fn policy(info: &Value) -> Option<&str> {
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
    // Without a limit nothing is ever removed.
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
