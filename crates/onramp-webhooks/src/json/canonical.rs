//! The canonical form of JSON, which fingerprints hash: no white space, sorted members and uniform escaping.
//!
//! This form must never change, because stores keep fingerprints permanently.

use std::borrow::Cow;
use std::fmt::Write;

use super::tree::{Json, Kind};
use super::value::Value;

impl Json<'_> {
    /// Returns the canonical form; `None` if the text is nested too deeply.
    pub(crate) fn canonical(&self) -> Option<Vec<u8>> {
        if self.is_too_deep {
            return None;
        }
        let mut out = Vec::with_capacity(self.text.len() + self.text.len() / 16);
        write(self.root(), &mut out)?;
        Some(out)
    }
}

fn write(value: Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value.kind() {
        Kind::Object => list(*b"{}", value.members(), out, |member, out| {
            out.push(b'"');
            out.extend_from_slice(member.canonical_name());
            out.extend_from_slice(b"\":");
            write(member, out)
        }),
        Kind::Array => list(*b"[]", value.elements(), out, write),
        Kind::EscapedString => {
            let mut spelled = String::with_capacity(value.text().len());
            spell(value.content()?, &mut spelled)?;
            out.push(b'"');
            out.extend_from_slice(spelled.as_bytes());
            out.push(b'"');
            Some(())
        }
        Kind::String | Kind::Scalar | Kind::TooDeep => {
            out.extend_from_slice(value.text().as_bytes());
            Some(())
        }
    }
}

fn list<'t>(
    [open, close]: [u8; 2],
    children: impl Iterator<Item = Value<'t>>,
    out: &mut Vec<u8>,
    write: impl Fn(Value<'t>, &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    out.push(open);
    for (at, child) in children.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(child, out)?;
    }
    out.push(close);
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
