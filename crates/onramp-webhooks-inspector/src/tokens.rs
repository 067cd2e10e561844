//! Bodies as lines of tokens, so that a browser parses no JSON of a provider.

use onramp_webhooks::masking::MASK;
use serde_json::{Value, json};

/// Maximum number of lines of a body.
const MOST_LINES: usize = 2_000;

/// Returns lines of `[class, text]` pairs. The classes are `k` for names, `s` for strings, `n` for other values, `m` for masked values,
/// and `p` for everything else.
pub(crate) fn lines(text: &str) -> Value {
    text.lines().take(MOST_LINES).map(|line| Value::Array(tokens(line))).collect()
}

/// Returns whether [`lines`] leaves out the end of a text.
pub(crate) fn is_cut(text: &str) -> bool {
    text.lines().nth(MOST_LINES).is_some()
}

fn tokens(line: &str) -> Vec<Value> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest),
            _ if is_plain(first) => rest.find(|other: char| !is_plain(other)).unwrap_or(rest.len()),
            _ => rest.find(|other: char| other == '"' || is_plain(other)).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(json!([class(token, after), token]));
        rest = after;
    }
    tokens
}

/// Returns whether a character belongs to a number or a word.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '+' | '.')
}

/// Returns the length of the string at the front of a text, in bytes.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    text.len()
}

fn class(token: &str, after: &str) -> &'static str {
    match token.chars().next() {
        Some('"') if after.starts_with(':') => "k",
        Some('"') if token.contains(MASK) => "m",
        Some('"') => "s",
        Some(first) if is_plain(first) => "n",
        _ => "p",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_into_tokens_and_nothing_is_lost() {
        let text = "{\n  \"a\\\"b\": \"<b>\",\n  \"m\": \"ab•••yz\",\n  \"n\": -1.50e3, \"x\": [true, null]\n}";
        let lines = lines(text);
        let joined: Vec<String> = lines
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_array().unwrap().iter().map(|token| token[1].as_str().unwrap()).collect())
            .collect();
        assert_eq!(joined.join("\n"), text);
        assert_eq!(lines[1], json!([["p", "  "], ["k", "\"a\\\"b\""], ["p", ": "], ["s", "\"<b>\""], ["p", ","]]));
        assert_eq!(lines[2][3], json!(["m", "\"ab•••yz\""]));
        assert_eq!(lines[3][3], json!(["n", "-1.50e3"]));
    }

    #[test]
    fn a_broken_text_ends() {
        for text in ["\"", "\"\\", "\"\\\"", "é\"é", "\\"] {
            let joined: String = tokens(text).iter().map(|token| token[1].as_str().unwrap().to_owned()).collect();
            assert_eq!(joined, text);
        }
        let long = "1\n".repeat(MOST_LINES + 1);
        assert!(is_cut(&long) && lines(&long).as_array().unwrap().len() == MOST_LINES);
    }
}
