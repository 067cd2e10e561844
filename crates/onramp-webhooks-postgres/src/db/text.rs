//! Text that PostgreSQL can store. It rejects zero characters, which text from requests may contain.

use std::borrow::Cow;

/// The first character of an escape sequence.
const ESCAPE: char = '\u{1}';

/// Escapes zero characters. Different texts stay different.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', ESCAPE]) {
        Cow::Owned(text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns the text from its stored form.
pub(crate) fn read(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_has_a_zero() {
        for text in ["", "plain", "\0", "\u{1}", "\u{1}0", "\u{1}1", "a\0b\u{1}0\u{1}\u{1}1\0\0", "\u{1}\0"] {
            let stored = stored(text);
            assert!(!stored.contains('\0'));
            assert_eq!(read(stored.into_owned()), text, "{text:?}");
        }
    }
}
