//! The prefix of keys.

use std::fmt;
use std::sync::Arc;

use onramp_webhooks::idempotency::IdempotencyKey;
use onramp_webhooks::{StoreError, StoreErrorKind};

const LONGEST: usize = 64;

/// The beginning of all keys of a store.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(Arc<str>);

impl Prefix {
    /// Checks a prefix. Braces are not allowed, because they would send all keys to one node of a cluster.
    pub(crate) fn new(prefix: &str) -> Result<Self, StoreError> {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if prefix.is_empty() || prefix.len() > LONGEST || !prefix.bytes().all(is_usual) {
            let wanted = "a key prefix has 1 to 64 characters of a to z, A to Z, 0 to 9, _, -, . and :";
            return Err(StoreError::new(StoreErrorKind::Unusable, wanted));
        }
        Ok(Self(prefix.into()))
    }

    /// Returns the key of an entry.
    pub(crate) fn key(&self, of: &IdempotencyKey) -> String {
        format!("{self}:{of}")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_prefix_and_the_hash() {
        let key = Prefix::new("shop:eu-1").unwrap().key(&IdempotencyKey::from_bytes([0xa5; 32]));
        assert_eq!(key, format!("shop:eu-1:{}", "a5".repeat(32)));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for bad in ["", "{shop}", "a b", "a*", "é", &"a".repeat(65)] {
            assert_eq!(Prefix::new(bad).unwrap_err().kind(), StoreErrorKind::Unusable, "{bad}");
        }
    }
}
