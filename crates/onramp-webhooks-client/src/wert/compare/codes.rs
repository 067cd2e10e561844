//! The codes of cryptos: which of them are the same.

/// Different codes of the same crypto, each with the source of the fact.
const KNOWN_ALIASES: &[(&str, &str)] = &[
    // Polygon replaced its token one to one: https://github.com/0xPolygon/pol-token, PIP-17.
    ("MATIC", "POL"),
    // Ether for a contract call. Wert's documented `tx_smart_contract_failed` has the order in ETHSC and its fallback in ETH.
    ("ETHSC", "ETH"),
];

/// Compares the codes of cryptos.
#[derive(Clone, Debug, Default)]
pub(crate) struct CryptoCodes {
    aliases: Vec<(Box<str>, Box<str>)>,
}

/// A code, and the network if it has Wert's internal form `CODE.sc.NETWORK`.
struct Code<'a> {
    name: &'a str,
    network: Option<&'a str>,
}

impl CryptoCodes {
    pub(crate) fn alias(&mut self, code: &str, other: &str) {
        self.aliases.push((code.into(), other.into()));
    }

    /// Returns `true` if both codes name the same crypto. Two networks are never the same.
    pub(super) fn are_same(&self, one: &str, other: &str) -> bool {
        let (one, other) = (Code::parse(one), Code::parse(other));
        one.network.zip(other.network).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
            && (one.name.eq_ignore_ascii_case(other.name) || self.are_aliases(one.name, other.name))
    }

    fn are_aliases(&self, one: &str, other: &str) -> bool {
        let added = self.aliases.iter().map(|(one, other)| (&**one, &**other));
        let is_pair = |a: &str, b: &str| a.eq_ignore_ascii_case(one) && b.eq_ignore_ascii_case(other);
        KNOWN_ALIASES.iter().copied().chain(added).any(|(a, b)| is_pair(a, b) || is_pair(b, a))
    }
}

impl<'a> Code<'a> {
    fn parse(code: &'a str) -> Self {
        let mut parts = code.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(sc), Some(network), None) if sc.eq_ignore_ascii_case("sc") => Self { name, network: Some(network) },
            _ => Self { name: code, network: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_codes_and_wert_s_internal_form_are_the_same() {
        let codes = CryptoCodes::default();
        for (one, other) in [
            ("BTC", "btc"),
            ("MATIC", "matic.sc.polygon"),
            ("eth.SC.ethereum", "ETH"),
            ("eth.sc.ethereum", "ETH.sc.Ethereum"),
            ("USDC.e", "usdc.e"),
        ] {
            assert!(codes.are_same(one, other) && codes.are_same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("ETH", "ETHW"),
            ("USDC", "USDC.e"),
            ("B", "btc"),
            ("", "btc"),
            ("ETH", "weth"),
            ("MATICSC", "matic.sc.polygon"),
            ("usdt.trc20", "USDT"),
            ("matic.sc.polygon.x", "MATIC"),
            ("eth.sc.ethereum", "eth.sc.arbitrum"),
            ("eth.scx.ethereum", "eth"),
        ] {
            assert!(!codes.are_same(one, other) && !codes.are_same(other, one), "{one} {other}");
        }
    }

    #[test]
    fn aliases_are_the_same_in_every_form() {
        let mut codes = CryptoCodes::default();
        assert!(codes.are_same("MATIC", "pol") && codes.are_same("matic.sc.polygon", "POL"));
        assert!(codes.are_same("ETHSC", "eth.sc.ethereum"));
        assert!(!codes.are_same("TRX", "TRON"));
        codes.alias("TRX", "TRON");
        assert!(codes.are_same("tron.sc.tron", "trx") && codes.are_same("MATIC", "pol"));
    }
}
