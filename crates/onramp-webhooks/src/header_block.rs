//! Header lines in one buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Header lines, encoded one after another: the length of a name, the name, the length of its value, and the value. A length is four bytes,
/// and a name of length zero ends the lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeaderBlock(Bytes);

impl HeaderBlock {
    /// Creates a block without lines.
    pub(crate) const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Appends a line to `out`. The name must not be empty.
    pub(crate) fn put(out: &mut BytesMut, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            out.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            out.put_slice(part);
        }
    }

    /// Ends the lines.
    pub(crate) fn end(out: &mut BytesMut) {
        out.put_u32(0);
    }

    /// Takes the lines from the front of `bytes`. Returns `None` if they are damaged.
    pub(crate) fn take(bytes: &mut Bytes) -> Option<Self> {
        let mut rest = bytes.as_ref();
        loop {
            let name = part(&mut rest)?;
            if name.is_empty() {
                break;
            }
            str::from_utf8(name).ok()?;
            part(&mut rest)?;
        }
        let length = bytes.len() - rest.len();
        Some(Self(bytes.split_to(length)))
    }

    /// Returns the lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.0.as_ref();
        std::iter::from_fn(move || {
            let name = str::from_utf8(part(&mut rest)?).ok().filter(|name| !name.is_empty())?;
            Some((name, part(&mut rest)?))
        })
    }
}

/// Takes a length and as many bytes from the front of `rest`. Returns `None` if there are fewer.
fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_put() {
        let mut out = BytesMut::new();
        for (name, value) in [("link", b"<a>".as_slice()), ("link", b"\xff"), ("etag", b"")] {
            HeaderBlock::put(&mut out, name, value);
        }
        HeaderBlock::end(&mut out);
        out.put_slice(b"rest");
        let mut bytes = out.freeze();
        let block = HeaderBlock::take(&mut bytes).unwrap();
        assert_eq!(block.lines().collect::<Vec<_>>(), [("link", b"<a>".as_slice()), ("link", b"\xff"), ("etag", b"")]);
        assert_eq!(bytes, "rest");
        assert_eq!(HeaderBlock::new().lines().count(), 0);
    }
}
