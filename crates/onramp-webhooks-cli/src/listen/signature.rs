//! Signatures of forwarded requests, as Standard Webhooks specifies them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use onramp_webhooks::clock::Timestamp;
use sha2::Sha256;

/// The prefix of secrets.
const PREFIX: &str = "whsec_";

/// The lengths of keys that the specification allows, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs requests.
#[derive(Clone)]
pub(super) struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Parses `whsec_` with the key in base64. Errors contain no part of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let key = text.trim().strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        let key = key.filter(|key| LENGTHS.contains(&key.len()));
        key.map(Self)
            .ok_or_else(|| "expected whsec_ and 24 to 64 bytes in base64: \"whsec_$(openssl rand -base64 32)\"".to_owned())
    }

    /// Returns the seconds of `time` and the signature, for the headers `webhook-timestamp` and `webhook-signature`.
    pub(super) fn sign(&self, id: &str, time: Timestamp, body: &[u8]) -> (i64, String) {
        let seconds = time.as_millis().div_euclid(1_000);
        // A key of any length is accepted.
        let signature = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| {
            let mac = mac.chain_update(format!("{id}.{seconds}.")).chain_update(body);
            STANDARD.encode(mac.finalize().into_bytes())
        });
        (seconds, format!("v1,{}", signature.unwrap_or_default()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (seconds, signature) =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp::from_millis(1_614_265_330_999), br#"{"test": 2432232314}"#);
        assert_eq!(seconds, 1_614_265_330);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn other_secrets_are_errors_that_do_not_repeat_them() {
        for text in ["", "hush", "whsec_", "whsec_hush", "whsec_aHVzaA==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let error = SigningSecret::parse(text).unwrap_err();
            assert!(!error.contains("hush") && error.contains("openssl"), "{error}");
        }
    }
}
