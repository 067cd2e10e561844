//! The canonical form of JSON, which fingerprints hash: no white space, sorted members and uniform escaping.
//!
//! This form must never change, because stores keep fingerprints permanently.

use std::borrow::Cow;
use std::fmt::Write;

use super::parse::{leaf, space};
use super::tree::{Json, Kind};
use super::value::Value;

impl Json<'_> {
    /// Returns the canonical form; `None` if the text is nested too deeply.
    pub(crate) fn canonical(&self) -> Option<String> {
        if self.is_too_deep {
            return None;
        }
        let mut out = String::with_capacity(self.text.len() + self.text.len() / 16);
        write(self.root(), &mut out)?;
        Some(out)
    }
}

fn write(value: Value<'_>, out: &mut String) -> Option<()> {
    match value.kind() {
        Kind::Object => object(value, out),
        Kind::Array => array(value, out),
        Kind::EscapedString => string(value.text(), out),
        Kind::String | Kind::Scalar | Kind::TooDeep => {
            out.push_str(value.text());
            Some(())
        }
    }
}

fn object(object: Value<'_>, out: &mut String) -> Option<()> {
    out.push('{');
    for (at, member) in object.members().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push('"');
        out.push_str(member.canonical_name());
        out.push_str("\":");
        write(member, out)?;
    }
    out.push('}');
    Some(())
}

/// Writes an array with its inner arrays. Only objects, white space and strings with escapes are not copied as they are.
fn array(array: Value<'_>, out: &mut String) -> Option<()> {
    let (mut rest, mut objects) = (array.text(), array.objects());
    loop {
        let (same, changed) = rest.split_at_checked(unchanged(rest.as_bytes()))?;
        out.push_str(same);
        rest = match changed.as_bytes().first() {
            None => return Some(()),
            Some(b'{') => {
                let inner = objects.next()?;
                object(inner, out)?;
                changed.get(inner.text().len()..)?
            }
            Some(b'"') => {
                let (escaped, rest) = changed.split_at_checked(leaf(changed.as_bytes())?.1)?;
                string(escaped, out)?;
                rest
            }
            Some(_) => changed.get(space(changed.as_bytes())..)?,
        };
    }
}

/// Returns the number of bytes before an object, white space or a string with escapes.
fn unchanged(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += match byte {
            b'{' | b' ' | b'\n' | b'\t' | b'\r' => break,
            b'"' => match text.get(at..).and_then(leaf) {
                Some((Kind::String, length)) => length,
                _ => break,
            },
            _ => 1,
        };
    }
    at
}

/// Writes a string with escapes.
fn string(text: &str, out: &mut String) -> Option<()> {
    out.push('"');
    spell(text.strip_prefix('"')?.strip_suffix('"')?, out)?;
    out.push('"');
    Some(())
}

/// Returns the canonical form of a name that is known as text.
pub(crate) fn spelled(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | b'\0'..b' ')) {
        return Cow::Borrowed(name);
    }
    let mut out = String::new();
    name.chars().for_each(|character| push(character, &mut out));
    Cow::Owned(out)
}

/// Appends the canonical form of the content of a valid JSON string.
pub(super) fn spell(content: &str, out: &mut String) -> Option<()> {
    let mut rest = content;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let (letter, after) = escape.split_at_checked(1)?;
        rest = match letter {
            "u" => unicode_escape(after, out)?,
            letter => {
                push(unescaped(letter)?, out);
                after
            }
        };
    }
    out.push_str(rest);
    Some(())
}

/// Decodes a unicode escape, and returns the text after it. An unpaired surrogate stays escaped, because a Rust string cannot hold it.
fn unicode_escape<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let (unit, rest) = code_unit(text)?;
    let pair = rest.strip_prefix("\\u").and_then(code_unit);
    if let Some((low, rest)) = pair
        && let Some(Ok(character)) = char::decode_utf16([unit, low]).next()
        && character.len_utf16() == 2
    {
        push(character, out);
        return Some(rest);
    }
    match char::from_u32(unit.into()) {
        Some(character) => push(character, out),
        None => write!(out, "\\u{unit:04x}").ok()?,
    }
    Some(rest)
}

fn push(character: char, out: &mut String) {
    match character {
        '"' | '\\' => out.extend(['\\', character]),
        '\0'..' ' => {
            let digit = |nibble: u32| char::from_digit(nibble, 16).unwrap_or_default();
            let code = u32::from(character);
            out.push_str("\\u00");
            out.extend([digit(code >> 4), digit(code & 0xf)]);
        }
        _ => out.push(character),
    }
}

fn unescaped(letter: &str) -> Option<char> {
    match letter {
        "b" => Some('\u{8}'),
        "f" => Some('\u{c}'),
        "n" => Some('\n'),
        "r" => Some('\r'),
        "t" => Some('\t'),
        itself => itself.chars().next(),
    }
}

fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}
