//! The code that computed fingerprints before there was a tree. Stores hold its results.

use std::ops::Range;

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

/// Maximum nesting depth of canonical JSON.
const DEEPEST: usize = 128;

pub(super) fn fingerprint(body: &[u8]) -> [u8; 32] {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let canonical = str::from_utf8(body).ok().filter(|_| is_json).and_then(|text| {
        let mut writer = Canonical { rest: text, out: Vec::new() };
        writer.value(DEEPEST).map(|()| writer.out)
    });
    match canonical {
        Some(canonical) => Sha256::digest(canonical).into(),
        None => Sha256::new().chain_update(b"\0").chain_update(body).finalize().into(),
    }
}

/// Rewrites text that is known to be valid JSON. Methods return `None` if it is nested too deep.
struct Canonical<'a> {
    rest: &'a str,
    out: Vec<u8>,
}

/// The ranges of a member in the output.
struct Member {
    name: Range<usize>,
    whole: Range<usize>,
}

impl Canonical<'_> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.array(depth.checked_sub(1)?),
            b'"' => self.string(),
            _ => self.scalar(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.copy_byte()?;
        let start = self.out.len();
        let mut members = Vec::with_capacity(8);
        while self.peek()? != b'}' {
            self.separator()?;
            members.push(self.member(depth)?);
        }
        self.sort(start, members);
        self.copy_byte()
    }

    fn member(&mut self, depth: usize) -> Option<Member> {
        let start = self.out.len();
        self.string()?;
        let name = start..self.out.len();
        self.peek()?;
        self.copy_byte()?;
        self.value(depth)?;
        Some(Member { name, whole: start..self.out.len() })
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.copy_byte()?;
        while self.peek()? != b']' {
            self.separator()?;
            self.value(depth)?;
        }
        self.copy_byte()
    }

    fn string(&mut self) -> Option<()> {
        let content = self.rest.as_bytes().get(1..)?;
        let end = content.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if content.get(end) == Some(&b'"') { self.copy(end + 2) } else { self.escaped_string() }
    }

    fn escaped_string(&mut self) -> Option<()> {
        self.copy_byte()?;
        loop {
            let plain = self.rest.find(['"', '\\'])?;
            self.copy(plain)?;
            let Some(escape) = self.rest.strip_prefix('\\') else { return self.copy_byte() };
            let (letter, rest) = escape.split_at_checked(1)?;
            self.rest = rest;
            match letter {
                "u" => self.unicode_escape()?,
                letter => self.push(unescaped(letter)?),
            }
        }
    }

    /// Decodes a unicode escape. An unpaired surrogate stays escaped, because a Rust string cannot hold it.
    fn unicode_escape(&mut self) -> Option<()> {
        let (unit, rest) = code_unit(self.rest)?;
        self.rest = rest;
        let pair = rest.strip_prefix("\\u").and_then(code_unit);
        if let Some((low, rest)) = pair
            && let [Ok(character)] = *char::decode_utf16([unit, low]).collect::<Vec<_>>()
        {
            self.push(character);
            self.rest = rest;
        } else if let Some(character) = char::from_u32(unit.into()) {
            self.push(character);
        } else {
            self.out.extend(format!("\\u{unit:04x}").bytes());
        }
        Some(())
    }

    fn scalar(&mut self) -> Option<()> {
        let end = self.rest.bytes().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
        self.copy(end.unwrap_or(self.rest.len()))
    }

    fn sort(&mut self, start: usize, mut members: Vec<Member>) {
        let name = |member: &Member| self.out.get(member.name.clone());
        if members.is_sorted_by(|a, b| name(a) <= name(b)) {
            return;
        }
        members.sort_by(|a, b| name(a).cmp(&name(b)));
        let mut sorted = Vec::with_capacity(self.out.len() - start);
        for whole in members.iter().filter_map(|member| self.out.get(member.whole.clone())) {
            if !sorted.is_empty() {
                sorted.push(b',');
            }
            sorted.extend_from_slice(whole);
        }
        self.out.truncate(start);
        self.out.extend_from_slice(&sorted);
    }

    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.as_bytes().first().copied()
    }

    /// Copies the comma before every element but the first.
    fn separator(&mut self) -> Option<()> {
        if self.peek()? == b',' {
            self.copy_byte()?;
            self.peek()?;
        }
        Some(())
    }

    fn copy_byte(&mut self) -> Option<()> {
        self.copy(1)
    }

    fn copy(&mut self, count: usize) -> Option<()> {
        let (copied, rest) = self.rest.split_at_checked(count)?;
        self.out.extend_from_slice(copied.as_bytes());
        self.rest = rest;
        Some(())
    }

    fn push(&mut self, character: char) {
        match character {
            '"' | '\\' => self.out.extend([b'\\', character as u8]),
            '\0'..' ' => self.out.extend(format!("\\u{:04x}", u32::from(character)).bytes()),
            _ => self.out.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
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
