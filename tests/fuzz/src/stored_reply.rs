//! Stored replies that another version wrote, or that are damaged: they are replayed as they are, or not at all.

use async_trait::async_trait;
use bytes::Bytes;
use onramp_webhooks::StoreError;
use onramp_webhooks::adapter::{Claim, Full, Idempotency, Request};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::fingerprint::Fingerprint;
use onramp_webhooks::idempotency::{IdempotencyStore, KeyLease, KeyState, Scope};

use crate::runtime::block_on;

/// A store that has one reply for every key.
#[derive(Debug)]
struct Damaged(Bytes);

#[async_trait]
impl IdempotencyStore for Damaged {
    async fn claim(&self, _: Timestamp, _: KeyLease, body: Fingerprint, _: Timestamp) -> Result<KeyState, StoreError> {
        Ok(KeyState::Done { fingerprint: body, reply: self.0.clone() })
    }

    async fn renew(&self, _: KeyLease, _: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn complete(&self, _: KeyLease, _: Bytes, _: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn release(&self, _: KeyLease) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn changed(&self) {}

    async fn prune(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// The input is the stored reply.
pub(crate) fn run(input: &[u8]) {
    let store = Damaged(input.to_vec().into());
    let idempotency = Idempotency::by_header(store, Scope::everyone()).build().unwrap();
    let headers = [("idempotency-key", "k")];
    let keyed = idempotency.lookup(&Request::new("POST", "/pay", None, &headers)).unwrap();
    let Claim::Answer(reply) = block_on(keyed.claim(Full::new("body"))) else { panic!("the request is done") };
    let mut headers = reply.headers();
    let is_replayed = headers.next() == Some(("idempotent-replayed", b"true"));
    match input {
        [2, high, low, rest @ ..] if is_replayed => {
            assert_eq!(reply.status(), u16::from_be_bytes([*high, *low]));
            let lines = headers.flat_map(|(name, value)| [part(name.as_bytes()), part(value)]).collect::<Vec<_>>().concat();
            assert_eq!([lines.as_slice(), &[0, 0, 0, 0, 1], reply.body()].concat(), rest);
        }
        _ => assert_eq!(reply.status(), 409, "done, and the reply was not kept"),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let reply = |body: &[u8]| [&[2, 0, 201], &*part(b"location"), &*part(b"/a"), &[0, 0, 0, 0], body].concat();
    vec![reply(b"\x01body"), reply(b"\0"), reply(b""), b"\x01\0\xc8".to_vec(), b"\x02\0\xc8\xff\xff\xff\xff".to_vec()]
}

/// Encodes a part of a line with its length.
fn part(part: &[u8]) -> Vec<u8> {
    [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat()
}
