//! The elements of the `Forwarded` header (RFC 7239).

use std::net::IpAddr;

use super::ClientIpError;
use super::entry::{Brackets, address};
use super::error::shown;

/// Returns a predicate that is true for commas between elements, and false for commas in quoted values. It must be called for every
/// byte, from right to left.
///
/// In a scan from left to right, a client could hide the elements that proxies appended by sending an unclosed quote.
pub(super) fn separator_from_right() -> impl FnMut(&u8) -> bool {
    #[derive(Clone, Copy)]
    enum State {
        Outside,
        Inside,
        /// Left of a quote, which opens the value unless an odd number of backslashes precedes it.
        AtQuote {
            escaped: bool,
        },
    }
    let mut state = State::Outside;
    move |byte| {
        if let State::AtQuote { escaped } = state {
            if *byte == b'\\' {
                state = State::AtQuote { escaped: !escaped };
                return false;
            }
            state = if escaped { State::Inside } else { State::Outside };
        }
        match (state, *byte) {
            (State::Outside, b',') => return true,
            (State::Outside, b'"') => state = State::Inside,
            (State::Inside, b'"') => state = State::AtQuote { escaped: false },
            _ => {}
        }
        false
    }
}

/// Reads the address of the only `for` parameter of an element.
pub(super) fn forwarded_for(hop: usize, element: &[u8]) -> Result<IpAddr, ClientIpError> {
    if element.is_empty() {
        return Err(ClientIpError::Empty { hop });
    }
    let garbage = || ClientIpError::Garbage { hop, found: shown(element) };
    let mut node = None;
    let mut rest = element;
    while !rest.is_empty() {
        let (parameter, after) = parameter(rest).ok_or_else(garbage)?;
        if let Some((name, value)) = parameter
            && name.eq_ignore_ascii_case(b"for")
            && node.replace(value).is_some()
        {
            return Err(ClientIpError::RepeatedFor { hop });
        }
        rest = after;
    }
    address(hop, &node.ok_or(ClientIpError::NoFor { hop })?, Brackets::Required)
}

type Parameter<'a> = (&'a [u8], Vec<u8>);

/// Splits off the first parameter, `name=value`, with the `;` after it. The parameter is `None` if there is only a `;`.
fn parameter(text: &[u8]) -> Option<(Option<Parameter<'_>>, &[u8])> {
    let text = text.trim_ascii_start();
    if let Some(after) = end_of_parameter(text) {
        return Some((None, after));
    }
    let (name, value) = text.split_at_checked(text.iter().position(|byte| *byte == b'=')?)?;
    if name.is_empty() || !name.iter().copied().all(is_token_byte) {
        return None;
    }
    let value = value.strip_prefix(b"=")?;
    let (value, after) = match value.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted)?,
        None => bare_value(value)?,
    };
    Some((Some((name, value)), end_of_parameter(after)?))
}

/// Returns the text after a `;`, or an empty text at its end; `None` if there is anything else first.
fn end_of_parameter(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    if text.is_empty() { Some(text) } else { text.strip_prefix(b";") }
}

/// Returns a value up to the closing quote, unescaped, and the text after the quote.
fn unquoted(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match *bytes.next()? {
            b'"' => return Some((value, bytes.as_slice())),
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(byte),
        }
    }
}

/// Returns a value without quotes, and the text after it. Colons and brackets are accepted: proxies often leave out the quotes that
/// RFC 7239 requires around them, and the meaning is clear.
fn bare_value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().position(|byte| !is_token_byte(*byte) && !matches!(byte, b':' | b'[' | b']')).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end)?;
    (!value.is_empty()).then(|| (value.to_vec(), after))
}

/// Returns whether `byte` is allowed in a token (RFC 9110, section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
