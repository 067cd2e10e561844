//! Keys and tokens.

use std::fmt;

/// A key or token: sent to its provider, and never shown.
#[derive(Clone)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// How much of an answer has to be read for an [`excerpt`](Self::excerpt) of `longest` characters.
    pub(crate) fn window(&self, longest: usize) -> usize {
        longest.saturating_add(self.0.len())
    }

    /// The beginning of an answer without the secret in it, given its first [`window`](Self::window) of bytes or more.
    pub(crate) fn excerpt(&self, answer: &[u8], longest: usize) -> Box<str> {
        let window = self.window(longest);
        let text = String::from_utf8_lossy(answer.get(..window).unwrap_or(answer)).replace(&*self.0, "(hidden)");
        // What the window cuts off may be the beginning of a secret.
        let cut = if answer.len() < window { 0 } else { self.0.chars().count() };
        let keep = text.chars().count().saturating_sub(cut).min(longest);
        text.chars().take(keep).collect()
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_the_secret_is_in_an_excerpt() {
        let secret = Secret::from("0123456789".to_owned());
        for before in 0..40 {
            for times in 1..4 {
                let answer = format!("{}{}{}", "a".repeat(before), "0123456789".repeat(times), "b".repeat(40));
                let excerpt = secret.excerpt(answer.as_bytes(), 20);
                assert!(!excerpt.contains(|c: char| c.is_ascii_digit()) && excerpt.len() <= 20, "{excerpt}");
            }
        }
        assert_eq!(&*secret.excerpt(b"what is 0123456789?", 20), "what is (hidden)?");
        assert_eq!(&*secret.excerpt(b"\xff short", 20), "\u{fffd} short");
        assert_eq!(secret.excerpt(&[b'x'; 100], 20).len(), 20);
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
