//! A second reader of the header `Forwarded` (RFC 7239), from left to right.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Returns the nodes of all elements; `None` for an element whose `for` is missing, repeated or no address. Returns `None` if a line is not well
/// formed, because its elements are then not known from the left.
pub(crate) fn nodes(lines: &[&[u8]]) -> Option<Vec<Option<IpAddr>>> {
    let mut nodes = Vec::new();
    for line in lines {
        let mut rest = *line;
        loop {
            let (node, after) = element(rest)?;
            nodes.push(node);
            match after {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
    Some(nodes)
}

/// Reads an element. Returns its node, and the text after its comma.
fn element(text: &[u8]) -> Option<(Option<IpAddr>, Option<&[u8]>)> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_ascii_start();
        let node = || <[Vec<u8>; 1]>::try_from(found.clone()).ok().and_then(|[node]| address(&node));
        match rest {
            [] => return Some((node(), None)),
            [b',', after @ ..] => return Some((node(), Some(after))),
            [b';', after @ ..] => rest = after,
            _ => {
                let (name, value, after) = parameter(rest)?;
                if name.eq_ignore_ascii_case(b"for") {
                    found.push(value);
                }
                rest = after.trim_ascii_start();
                if !matches!(rest, [] | [b',' | b';', ..]) {
                    return None;
                }
            }
        }
    }
}

fn parameter(text: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let (name, text) = text.split_at(text.iter().position(|byte| !is_token(*byte))?);
    let text = text.strip_prefix(b"=").filter(|_| !name.is_empty())?;
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let is_bare = |byte: u8| is_token(byte) || matches!(byte, b':' | b'[' | b']');
        let (value, after) = text.split_at(text.iter().position(|byte| !is_bare(*byte)).unwrap_or(text.len()));
        return (!value.is_empty()).then(|| (name, value.to_vec(), after));
    };
    let (mut value, mut rest) = (Vec::new(), quoted);
    loop {
        match rest {
            [b'"', after @ ..] => return Some((name, value, after)),
            [b'\\', escaped, after @ ..] | [escaped, after @ ..] => {
                value.push(*escaped);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Reads a node: an address and perhaps a port, which may be obfuscated.
fn address(node: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(node).ok()?;
    let (address, port): (IpAddr, _) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').and_then(|(name, port)| Some((name.parse::<Ipv6Addr>().ok()?.into(), port)))?,
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name.parse::<Ipv4Addr>().ok()?.into(), port)
        }
    };
    let is_obfuscated =
        |port: &str| port.len() > 1 && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(port) if port.starts_with('_') => is_obfuscated(port),
        Some(port) => !port.starts_with('+') && port.parse::<u16>().is_ok(),
    };
    is_port.then(|| address.to_canonical())
}
