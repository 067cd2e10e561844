//! JSON in another spelling, with other white space, other escapes and another order of members; and JSON with one other value.

use std::hash::{DefaultHasher, Hash, Hasher};

use fastrand::Rng;
use serde::de::IgnoredAny;

/// The number of levels that fingerprints look at.
const DEEPEST: usize = 128;

/// A value. Strings are UTF-16, because JSON can contain unpaired surrogates.
enum Value<'t> {
    Scalar(&'t str),
    String(Vec<u16>),
    Array(Vec<Self>),
    Object(Vec<(Vec<u16>, Self)>),
}

/// Returns the text of a body that is JSON.
pub(crate) fn json(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)).ok()?;
    serde_json::from_str::<IgnoredAny>(text).is_ok().then_some(text)
}

/// Returns a body with the same content; `None` if it is not JSON, or deeper than fingerprints look.
pub(crate) fn respelled(body: &[u8]) -> Option<String> {
    let value = Parser { rest: json(body)? }.value(0)?;
    let mut out = String::new();
    write(&value, &mut dice(body), &mut out);
    Some(out)
}

/// Returns a body in which one value differs; `None` if it is not JSON, deeper than fingerprints look, or has no values.
pub(crate) fn altered(body: &[u8]) -> Option<String> {
    let mut value = Parser { rest: json(body)? }.value(0)?;
    let mut dice = dice(body);
    let mut leaves = Vec::new();
    collect(&mut value, &mut leaves);
    match dice.choice(leaves)? {
        Leaf::Text(units) => match dice.choice(&mut *units) {
            Some(unit) => *unit ^= 1,
            None => units.push(0),
        },
        Leaf::Scalar(text) => match *text {
            "null" => *text = "true",
            "true" => *text = "false",
            "false" => *text = "null",
            number => *text = number.strip_prefix('-').unwrap_or("-7"),
        },
    }
    let mut out = String::new();
    write(&value, &mut dice, &mut out);
    Some(out)
}

fn dice(body: &[u8]) -> Rng {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    Rng::with_seed(hasher.finish())
}

/// A text or another value that can be changed. Names of members are texts.
enum Leaf<'v, 't> {
    Text(&'v mut Vec<u16>),
    Scalar(&'v mut &'t str),
}

fn collect<'v, 't>(value: &'v mut Value<'t>, leaves: &mut Vec<Leaf<'v, 't>>) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| collect(element, leaves)),
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| {
            leaves.push(Leaf::Text(name));
            collect(member, leaves);
        }),
        Value::Scalar(text) => leaves.push(Leaf::Scalar(text)),
        Value::String(units) => leaves.push(Leaf::Text(units)),
    }
}

/// Reads a text that is known to be JSON.
struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn peek(&mut self) -> char {
        self.rest = self.rest.trim_start();
        self.rest.chars().next().unwrap()
    }

    fn take(&mut self) -> char {
        let next = self.peek();
        self.rest = &self.rest[next.len_utf8()..];
        next
    }

    fn value(&mut self, level: usize) -> Option<Value<'t>> {
        Some(match self.peek() {
            '"' => Value::String(self.string()),
            '[' => Value::Array(self.list(level, ']', Self::value)?),
            '{' => Value::Object(self.list(level, '}', |parser, level| {
                let name = parser.string();
                assert_eq!(parser.take(), ':');
                Some((name, parser.value(level)?))
            })?),
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
                let (scalar, rest) = self.rest.split_at(end);
                self.rest = rest;
                Value::Scalar(scalar)
            }
        })
    }

    fn list<T>(&mut self, level: usize, end: char, item: impl Fn(&mut Self, usize) -> Option<T>) -> Option<Vec<T>> {
        if level == DEEPEST {
            return None;
        }
        self.take();
        let mut items = Vec::new();
        if self.peek() == end {
            self.take();
            return Some(items);
        }
        loop {
            items.push(item(self, level + 1)?);
            if self.take() == end {
                return Some(items);
            }
        }
    }

    fn string(&mut self) -> Vec<u16> {
        assert_eq!(self.take(), '"');
        let mut units = Vec::new();
        loop {
            let (next, rest) = self.rest.split_at(self.rest.chars().next().unwrap().len_utf8());
            self.rest = rest;
            match next {
                "\"" => return units,
                "\\" => units.push(self.escape()),
                plain => units.extend(plain.encode_utf16()),
            }
        }
    }

    fn escape(&mut self) -> u16 {
        let (next, rest) = self.rest.split_at(1);
        self.rest = rest;
        match next {
            "b" => 8,
            "t" => 9,
            "n" => 10,
            "f" => 12,
            "r" => 13,
            "u" => {
                let (digits, rest) = self.rest.split_at(4);
                self.rest = rest;
                u16::from_str_radix(digits, 16).unwrap()
            }
            itself => itself.as_bytes()[0].into(),
        }
    }
}

fn write(value: &Value<'_>, dice: &mut Rng, out: &mut String) {
    space(dice, out);
    match value {
        Value::Scalar(text) => *out += text,
        Value::String(units) => string(units, dice, out),
        Value::Array(elements) => {
            out.push('[');
            separated(elements, dice, out, write);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            // Both values of a repeated member stay in their order.
            let salt = dice.u64(..);
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_cached_key(|(name, _)| {
                let mut hasher = DefaultHasher::new();
                (salt, name).hash(&mut hasher);
                hasher.finish()
            });
            separated(&members, dice, out, |(name, value), dice, out| {
                space(dice, out);
                string(name, dice, out);
                space(dice, out);
                out.push(':');
                write(value, dice, out);
            });
            out.push('}');
        }
    }
    space(dice, out);
}

fn separated<T>(items: &[T], dice: &mut Rng, out: &mut String, write: impl Fn(&T, &mut Rng, &mut String)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(item, dice, out);
    }
    space(dice, out);
}

fn space(dice: &mut Rng, out: &mut String) {
    *out += dice.choice(["", "", "", " ", "\n\t", "\r\n"]).unwrap();
}

fn string(units: &[u16], dice: &mut Rng, out: &mut String) {
    out.push('"');
    for unit in units {
        match char::from_u32(u32::from(*unit)) {
            Some(plain) if plain >= ' ' && !matches!(plain, '"' | '\\') && dice.u8(0..4) > 0 => out.push(plain),
            _ => *out += &format!("\\u{unit:04X}"),
        }
    }
    out.push('"');
}
