//! Idempotency keys.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::fingerprint::Fingerprint;

/// Maximum length of an `Idempotency-Key`, in bytes.
const LONGEST: usize = 255;

/// The key that identifies repeated requests: a hash of the route, the user and the received key.
///
/// Hashing keeps personal data out of stores, and bounds the size of their indexes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey([u8; 32]);

impl IdempotencyKey {
    /// Creates a key from `parts`, in their order.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        parts.iter().fold(Parts::default(), |all, part| all.and(part)).key()
    }

    /// Creates a key from its stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The hash of the first parts of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn and(self, part: &[u8]) -> Self {
        // The length distinguishes ("ab", "c") from ("a", "bc").
        Self(self.0.chain_update((part.len() as u64).to_le_bytes()).chain_update(part))
    }

    pub(super) fn key(self) -> IdempotencyKey {
        IdempotencyKey(self.0.finalize().into())
    }
}

/// Formats the key in hexadecimal digits.
impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fingerprint::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({self})")
    }
}

/// Reads the `Idempotency-Key` header: a string of RFC 8941, as the draft specifies, or the same without quotes, as most clients
/// send it. Returns `None` if the header is missing.
pub(super) fn from_header<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<Cow<'a, str>>, &'static str> {
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("the header occurs more than once");
    }
    let line = str::from_utf8(line).unwrap_or("\u{fffd}").trim_matches([' ', '\t']);
    let key: Cow<'_, str> = match line.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None if line.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';')) => line.into(),
        None => return Err("an unquoted key may contain only visible ASCII characters other than \" , ;"),
    };
    match key.len() {
        0 => Err("the key is empty"),
        1..=LONGEST => Ok(Some(key)),
        _ => Err("the key is longer than 255 bytes"),
    }
}

fn unquoted(quoted: &str) -> Result<Cow<'_, str>, &'static str> {
    let end = end_of_string(quoted).ok_or("the closing quote is missing")?;
    let (quoted, parameters) = quoted.split_at_checked(end).ok_or("the closing quote is missing")?;
    if !are_parameters(parameters) {
        return Err("there is text after the closing quote that is no parameter");
    }
    if let Some(plain) = quoted.strip_suffix('"')
        && plain.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
    {
        return Ok(plain.into());
    }
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            Some('"') if characters.as_str().is_empty() => return Ok(key.into()),
            Some('"') => return Err("there is text after the closing quote"),
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err("a backslash may only precede a quote or a backslash"),
            },
            Some(plain @ ' '..='~') => key.push(plain),
            Some(_) => return Err("a quoted key may contain only visible ASCII characters and spaces"),
            None => return Err("the closing quote is missing"),
        }
    }
}

/// Returns the position after the closing quote.
fn end_of_string(quoted: &str) -> Option<usize> {
    let mut is_escaped = false;
    let quote = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    quote.map(|quote| quote + 1)
}

/// Returns `true` if a text consists of parameters, which have no meaning for a key (RFC 8941, section 3.1.2).
fn are_parameters(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        match after_parameter(rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// Returns the text after the parameter at its beginning: `;name`, or `;name=value` with a string, or with another value that contains
/// neither spaces nor separators.
fn after_parameter(text: &str) -> Option<&str> {
    let name = text.strip_prefix(';')?.trim_start_matches(' ');
    let is_in_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    let (name, rest) = name.split_at_checked(name.bytes().take_while(|byte| is_in_name(*byte)).count())?;
    if !name.starts_with(|first: char| first.is_ascii_lowercase() || first == '*') {
        return None;
    }
    let Some(value) = rest.strip_prefix('=') else { return Some(rest) };
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.get(end_of_string(quoted)?..);
    }
    let is_in_value = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';');
    let length = value.bytes().take_while(|byte| is_in_value(*byte)).count();
    value.get(length..).filter(|_| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(lines: &[&'a str]) -> Result<Option<Cow<'a, str>>, &'static str> {
        from_header(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn a_key_is_a_string_with_or_without_quotes() {
        for (line, key) in [
            (r#""8e03978e-40d5""#, "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            ("\t a/b=c \t", "a/b=c"),
            (r#""a \"b\" \\ c, d;e""#, r#"a "b" \ c, d;e"#),
            (r#""a";b"#, "a"),
            (r#""a"; b=1;*c-d="x y""#, "a"),
            (r#""a";b="x;y\"z";c=:YQ==:;d=?0"#, "a"),
            (r#""a;\"";b"#, "a;\""),
            (&"a".repeat(255), &"a".repeat(255)),
        ] {
            assert_eq!(header(&[line]).unwrap().unwrap(), key, "{line}");
        }
        assert_eq!(header(&[]), Ok(None));
    }

    #[test]
    fn other_headers_are_refused_with_a_reason() {
        let long = "a".repeat(256);
        for line in [
            "",
            " ",
            "\"\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\";",
            "\"a\";B=c",
            "\"a\";b=",
            "\"a\"b;c",
            "\"a\" ;b",
            "\"a\";b=\"c",
            "\"a\";b=c d",
            "\"a\", \"b\"",
            "a;b",
            "a b",
            "a,b",
            "ä",
            "\"ä\"",
            "\"a\\b\"",
            "\"a\\",
            &long,
        ] {
            assert!(header(&[line]).is_err(), "{line}");
        }
        assert!(header(&["a", "a"]).is_err());
        assert!(from_header([b"\xff".as_slice()].into_iter()).is_err());
    }

    #[test]
    fn parts_are_distinguished_by_their_lengths() {
        assert_ne!(IdempotencyKey::of(&[b"ab", b"c"]), IdempotencyKey::of(&[b"a", b"bc"]));
        assert_ne!(IdempotencyKey::of(&[b"a", b""]), IdempotencyKey::of(&[b"a"]));
    }
}
