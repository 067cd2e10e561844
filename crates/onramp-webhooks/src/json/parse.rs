//! The parser: one pass over the text, without recursion.

use serde::de::IgnoredAny;

use super::canonical;
use super::tree::{DEEPEST, Json, Kind, Name, Node};

/// The parent of the outermost value.
const NONE: u32 = u32::MAX;

/// Methods return `None` if the text is not JSON.
pub(super) struct Parser<'a> {
    json: Json<'a>,
    at: usize,
    /// The innermost array or object that is not closed yet.
    open: u32,
    /// Set if it is an array.
    in_array: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { json: Json::empty(text), at: 0, open: NONE, in_array: false, depth: 0 }
    }

    pub(super) fn run(mut self) -> Option<Json<'a>> {
        u32::try_from(self.json.text.len()).ok()?;
        self.skip_space();
        let mut is_empty = self.value(Name::None)?;
        while self.open != NONE {
            self.skip_space();
            is_empty = match self.byte()? {
                b',' if !is_empty => {
                    self.at += 1;
                    self.skip_space();
                    self.child()?
                }
                b']' | b'}' => {
                    self.close()?;
                    false
                }
                _ if is_empty => self.child()?,
                _ => return None,
            };
        }
        self.skip_space();
        (self.at == self.json.text.len()).then_some(self.json)
    }

    /// Reads an element or a member. Returns whether it is an array or object that is still empty.
    fn child(&mut self) -> Option<bool> {
        let name = if self.in_array { Name::None } else { self.name()? };
        self.value(name)
    }

    fn name(&mut self) -> Option<Name> {
        let start = self.at + 1;
        let (kind, length) = string(self.rest())?;
        self.at += length;
        let end = self.at - 1;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        if kind == Kind::String {
            return Some(Name::Plain(position(start)?, position(end)?));
        }
        let from = position(self.json.spelled.len())?;
        canonical::spell(self.json.text.get(start..end)?, &mut self.json.spelled)?;
        Some(Name::Spelled(from, position(self.json.spelled.len())?))
    }

    /// Reads a value up to its end, or up to the opening bracket of an array or object. Returns whether it was one.
    fn value(&mut self, name: Name) -> Option<bool> {
        let start = self.at;
        let kind = match self.byte()? {
            b'{' | b'[' if self.depth == DEEPEST => self.too_deep()?,
            b'{' => return self.open(Kind::Object, name),
            b'[' => return self.open(Kind::Array, name),
            _ => self.leaf()?,
        };
        if kind == Kind::TooDeep || !self.in_array {
            let node = self.node(kind, name, start)?;
            self.json.nodes.push(node);
        } else {
            self.leaves()?;
        }
        Some(false)
    }

    /// Reads the next elements of an array up to one that is an array or object, or up to its end. They have no nodes.
    fn leaves(&mut self) -> Option<()> {
        loop {
            let rest = self.rest();
            let comma = space(rest);
            let Some(b',') = rest.get(comma) else { return Some(()) };
            let after = rest.get(comma + 1..)?;
            let element = after.get(space(after)..)?;
            if let Some(b'[' | b'{') = element.first() {
                return Some(());
            }
            self.at += rest.len() - element.len() + leaf(element)?.1;
        }
    }

    /// Reads a value that is neither an array nor an object.
    fn leaf(&mut self) -> Option<Kind> {
        let (kind, length) = leaf(self.rest())?;
        self.at += length;
        Some(kind)
    }

    /// Returns a node without children that ends here.
    fn node(&self, kind: Kind, name: Name, start: usize) -> Option<Node> {
        let next = position(self.json.nodes.len())? + 1;
        Some(Node { kind, name, start: position(start)?, end: position(self.at)?, next, members: (0, 0) })
    }

    fn open(&mut self, kind: Kind, name: Name) -> Option<bool> {
        let node = Node { next: self.open, ..self.node(kind, name, self.at)? };
        self.open = position(self.json.nodes.len())?;
        self.in_array = kind == Kind::Array;
        self.json.nodes.push(node);
        self.depth += 1;
        self.at += 1;
        Some(true)
    }

    fn close(&mut self) -> Option<()> {
        let open = self.open;
        self.expect(if self.in_array { b']' } else { b'}' })?;
        let members = if self.in_array { (0, 0) } else { self.members(open)? };
        let (end, next) = (position(self.at)?, position(self.json.nodes.len())?);
        let node = self.json.nodes.get_mut(open as usize)?;
        self.open = node.next;
        (node.end, node.next, node.members) = (end, next, members);
        self.in_array = self.json.node(self.open).is_some_and(|open| open.kind == Kind::Array);
        self.depth -= 1;
        Some(())
    }

    /// Sorts the children of an object, which are its members, and returns their range in the order.
    fn members(&mut self, object: u32) -> Option<(u32, u32)> {
        let from = position(self.json.order.len())?;
        let mut child = object + 1;
        while let Some(node) = self.json.node(child) {
            let next = node.next;
            self.json.order.push(child);
            child = next;
        }
        self.json.sort(from);
        Some((from, position(self.json.order.len())?))
    }

    /// Skips an array or object that is nested too deeply, in constant stack space.
    fn too_deep(&mut self) -> Option<Kind> {
        let rest = self.json.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        self.json.is_too_deep = true;
        Some(Kind::TooDeep)
    }

    fn skip_space(&mut self) {
        self.at += space(self.rest());
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    fn byte(&self) -> Option<u8> {
        self.json.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.json.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Returns the length of the white space at the beginning.
pub(super) fn space(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count()
}

/// Returns the kind and the length of the string, number or literal at the beginning.
pub(super) fn leaf(text: &[u8]) -> Option<(Kind, usize)> {
    match text.first()? {
        b'"' => string(text),
        b't' => text.starts_with(b"true").then_some((Kind::Scalar, 4)),
        b'f' => text.starts_with(b"false").then_some((Kind::Scalar, 5)),
        b'n' => text.starts_with(b"null").then_some((Kind::Scalar, 4)),
        _ => Some((Kind::Scalar, number(text)?)),
    }
}

fn string(text: &[u8]) -> Option<(Kind, usize)> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let (mut kind, mut at) = (Kind::String, 1);
    loop {
        at += plain(text.get(at..)?);
        match text.get(at)? {
            b'"' => return Some((kind, at + 1)),
            b'\\' => {
                kind = Kind::EscapedString;
                at += escape(text.get(at..)?)?;
            }
            _ => return None,
        }
    }
}

fn position(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// Returns the number of bytes before the first one that ends the plain part of a string: a quote, a backslash or a control character.
fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let count = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\0'..b' ')).count();
    words.len() * 8 + count
}

/// Sets the highest bit of the first byte that ends the plain part of a string. Bits of later bytes may be wrong.
const fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = ONES << 7;
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let is_zero = quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash;
    (is_zero | word.wrapping_sub(ONES * b' ' as u64) & !word) & HIGHEST
}

/// Returns the length of the escape at the beginning.
fn escape(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Returns the length of the number at the beginning.
fn number(text: &[u8]) -> Option<usize> {
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match text.get(at)? {
        b'0' => 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at += 1 + digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += digits(text, at)?;
    }
    Some(at)
}

/// Returns the number of digits from `at`; `None` if there are none.
fn digits(text: &[u8], at: usize) -> Option<usize> {
    let count = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(count).filter(|count| *count > 0)
}
