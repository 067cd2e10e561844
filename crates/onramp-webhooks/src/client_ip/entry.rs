//! Addresses in headers, with or without a port.

use std::net::{IpAddr, Ipv6Addr};

use super::ClientIpError;
use super::error::shown;

/// The rule about brackets around IPv6 addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Brackets {
    /// IPv6 needs brackets only before a port. Ports are numbers.
    Optional,
    /// IPv6 always needs brackets, and a port may be an obfuscated identifier: a node of RFC 7239, section 6.
    Required,
}

/// Reads the address of an entry.
pub(super) fn address(hop: usize, entry: &[u8], brackets: Brackets) -> Result<IpAddr, ClientIpError> {
    let garbage = || ClientIpError::Garbage { hop, found: shown(entry) };
    let text = str::from_utf8(entry).map_err(|_| garbage())?;
    if brackets == Brackets::Optional
        && let Some(address) = without_brackets(hop, text)?
    {
        return Ok(address);
    }
    let (name, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or_else(garbage)?,
        None if brackets == Brackets::Optional && text.matches(':').count() > 1 => (text, ""),
        None => text.find(':').and_then(|colon| text.split_at_checked(colon)).unwrap_or((text, "")),
    };
    if !is_port_suffix(port, brackets) {
        return Err(garbage());
    }
    if text.starts_with('[') || name.contains(':') {
        return match name.parse::<Ipv6Addr>() {
            Ok(address) => Ok(IpAddr::V6(address).to_canonical()),
            Err(_) if name.contains('%') => Err(ClientIpError::Zone { hop }),
            Err(_) => Err(garbage()),
        };
    }
    match name.parse() {
        Ok(address) => Ok(IpAddr::V4(address)),
        Err(_) if name.is_empty() && port.is_empty() => Err(ClientIpError::Empty { hop }),
        Err(_) if name.eq_ignore_ascii_case("unknown") => Err(ClientIpError::Unknown { hop }),
        Err(_) if is_obfuscated(name) => Err(ClientIpError::Obfuscated { hop }),
        Err(_) => Err(garbage()),
    }
}

/// Reads IPv6 without brackets that seems to end with a port. An IPv4-mapped address is clear, because its four numbers end before the port.
/// In any other address, a port looks like the last group.
fn without_brackets(hop: usize, text: &str) -> Result<Option<IpAddr>, ClientIpError> {
    let Some((name, port)) = text.rsplit_once(':') else { return Ok(None) };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match name.parse::<Ipv6Addr>() {
        Ok(address) if is_port && name.contains('.') => Ok(Some(IpAddr::V6(address).to_canonical())),
        Ok(_) if is_port => Err(ClientIpError::Doubtful { hop }),
        _ => Ok(None),
    }
}

/// Returns whether `suffix` is empty, or a colon and a port.
fn is_port_suffix(suffix: &str, brackets: Brackets) -> bool {
    match suffix.strip_prefix(':') {
        None => suffix.is_empty(),
        Some(port) if port.starts_with('_') => brackets == Brackets::Required && is_obfuscated(port),
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

/// Returns whether `name` is an obfuscated identifier: an underscore and at least one more byte (RFC 7239, section 6.3).
fn is_obfuscated(name: &str) -> bool {
    name.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    })
}
