//! API keys and tokens.

use std::fmt;

/// An API key or token that is redacted in `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the number of bytes that an [`excerpt`](Self::excerpt) of `max_chars` characters needs of a response.
    pub(crate) fn window(&self, max_chars: usize) -> usize {
        max_chars.saturating_add(self.0.len())
    }

    /// Returns the beginning of a response with the secret removed, given at least its first [`window`](Self::window) bytes.
    pub(crate) fn excerpt(&self, body: &[u8], max_chars: usize) -> Box<str> {
        let window = self.window(max_chars);
        let text = String::from_utf8_lossy(body.get(..window).unwrap_or(body)).replace(&*self.0, "(hidden)");
        // A secret may begin just before the end of the window, so its length is dropped there.
        let cut = if body.len() < window { 0 } else { self.0.chars().count() };
        let keep = text.chars().count().saturating_sub(cut).min(max_chars);
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
