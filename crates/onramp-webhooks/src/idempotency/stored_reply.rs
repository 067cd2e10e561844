//! Stored replies as bytes.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::body::Hidden;

/// The first byte of replies that this version writes.
const VERSION: u8 = 1;

/// The stored part of a reply.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct StoredReply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    /// `None` if the body was too large.
    pub(super) body: Option<Bytes>,
}

/// Leaves out the headers and the body.
impl fmt::Debug for StoredReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_ref().map(Hidden);
        f.debug_struct("StoredReply").field("status", &self.status).field("body", &body).finish_non_exhaustive()
    }
}

impl StoredReply {
    pub(super) fn encode(&self) -> Bytes {
        let headers: usize = self.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
        let mut out = BytesMut::with_capacity(8 + headers + self.body.as_ref().map_or(0, Bytes::len));
        out.put_u8(VERSION);
        out.put_u16(self.status);
        out.put_u32(length(self.headers.len()));
        for (name, value) in &self.headers {
            put(&mut out, name.as_bytes());
            put(&mut out, value);
        }
        out.put_u8(self.body.is_some().into());
        out.put_slice(self.body.as_deref().unwrap_or_default());
        out.freeze()
    }

    /// Decodes a stored reply. Returns `None` if another version wrote the bytes, or if they are damaged.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let status = bytes.try_get_u16().ok()?;
        let mut headers = Vec::new();
        for _ in 0..bytes.try_get_u32().ok()? {
            let name = String::from_utf8(take(&mut bytes)?.into()).ok()?;
            headers.push((name, take(&mut bytes)?.into()));
        }
        let has_body = bytes.try_get_u8().ok()? == 1;
        Some(Self { status, headers, body: has_body.then_some(bytes) })
    }
}

fn put(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(length(bytes.len()));
    out.put_slice(bytes);
}

fn take(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

/// Converts a length to its stored form. A head is never larger than four gigabytes.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: Option<&'static [u8]>) -> StoredReply {
        let headers = vec![("location".into(), b"/a".to_vec()), ("x".into(), b"\xff".to_vec()), ("empty".into(), Vec::new())];
        StoredReply { status: 201, headers, body: body.map(Bytes::from_static) }
    }

    #[test]
    fn replies_are_decoded_as_they_were_encoded() {
        for body in [None, Some(b"".as_slice()), Some(b"\0\xff body")] {
            assert_eq!(StoredReply::decode(reply(body).encode()), Some(reply(body)));
        }
    }

    #[test]
    fn damaged_bytes_are_not_decoded() {
        let whole = reply(None).encode();
        for length in 0..whole.len() {
            assert_eq!(StoredReply::decode(whole.slice(..length)), None, "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0xff;
            let _ = StoredReply::decode(damaged.into());
        }
        assert_eq!(StoredReply::decode(Bytes::from_static(b"\x02\x00\xc8")), None);
    }
}
