//! Text that PostgreSQL can keep: it knows no zero character, and what came from outside may have one.

use std::borrow::Cow;

/// Begins what stands for another character.
const ESCAPE: char = '\u{1}';

/// The text with other characters for the zeros; two texts that differ stay different.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', ESCAPE]) {
        Cow::Owned(text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that was kept so.
pub(crate) fn read(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_has_a_zero() {
        for text in ["", "plain", "\0", "\u{1}", "\u{1}0", "\u{1}1", "a\0b\u{1}0\u{1}\u{1}1\0\0", "\u{1}\0"] {
            let kept = kept(text);
            assert!(!kept.contains('\0'));
            assert_eq!(read(kept.into_owned()), text, "{text:?}");
        }
    }
}
