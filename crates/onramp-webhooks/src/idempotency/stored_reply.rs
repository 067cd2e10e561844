//! Stored replies as bytes: a version, the status, the headers, and the body if it was kept.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::header_block::HeaderBlock;
use crate::request::Headers;

/// The first byte of replies that this version writes.
const VERSION: u8 = 2;

/// Room for the head of most replies and their body, so that the buffer does not grow.
const ROOM: usize = 256;

/// A reply to store, whose body is added at the end.
pub(super) struct ReplyHead(BytesMut);

impl ReplyHead {
    /// Encodes the status, and those headers that `is_kept` selects by their names.
    pub(super) fn new(status: u16, headers: &dyn Headers, is_kept: impl Fn(&str) -> bool) -> Self {
        let mut out = BytesMut::with_capacity(ROOM);
        out.put_u8(VERSION);
        out.put_u16(status);
        headers.each(&mut |name, value| {
            if is_kept(name) {
                HeaderBlock::put(&mut out, name, value);
            }
        });
        HeaderBlock::end(&mut out);
        Self(out)
    }

    /// Returns the bytes to store. `body` is `None` if it was too large, a stream, or not read to its end.
    pub(super) fn with(self, body: Option<&[u8]>) -> Bytes {
        let mut out = self.0;
        out.put_u8(body.is_some().into());
        out.put_slice(body.unwrap_or_default());
        out.freeze()
    }
}

/// A stored reply.
pub(super) struct StoredReply {
    pub(super) status: u16,
    pub(super) headers: HeaderBlock,
    /// `None` if it was not kept.
    pub(super) body: Option<Bytes>,
}

impl StoredReply {
    /// Decodes a stored reply. Returns `None` if another version wrote the bytes, or if they are damaged.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let status = bytes.try_get_u16().ok()?;
        let headers = HeaderBlock::take(&mut bytes)?;
        let has_body = bytes.try_get_u8().ok()? == 1;
        Some(Self { status, headers, body: has_body.then_some(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(body: Option<&[u8]>) -> Bytes {
        let headers = [("location", "/a"), ("x", "1"), ("secret", "2"), ("empty", "")];
        ReplyHead::new(201, &headers, |name| name != "secret").with(body)
    }

    #[test]
    fn replies_are_decoded_as_they_were_encoded() {
        for body in [None, Some(b"".as_slice()), Some(b"\0\xff body"), Some(&[b'a'; 1_000])] {
            let reply = StoredReply::decode(encoded(body)).unwrap();
            assert_eq!((reply.status, reply.body.as_deref()), (201, body));
            let lines: Vec<_> = reply.headers.lines().collect();
            assert_eq!(lines, [("location", b"/a".as_slice()), ("x", b"1"), ("empty", b"")]);
        }
    }

    #[test]
    fn damaged_bytes_are_not_decoded() {
        let whole = encoded(None);
        for length in 0..whole.len() {
            assert!(StoredReply::decode(whole.slice(..length)).is_none(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.to_vec();
            damaged[at] ^= 0xff;
            if let Some(reply) = StoredReply::decode(damaged.into()) {
                let _ = reply.headers.lines().count();
            }
        }
        assert!(StoredReply::decode(Bytes::from_static(b"\x01\x00\xc8\0\0\0\0\0")).is_none(), "another version");
    }
}
