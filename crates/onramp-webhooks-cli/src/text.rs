//! Text for terminals: received data cannot control them.

use std::borrow::Cow;
use std::fmt::{self, Write};

use anstyle::Style;

/// A line of output. Everything in it is escaped, except for the styles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends text, which may be data from outside.
    pub(crate) fn text(mut self, text: impl fmt::Display) -> Self {
        // Writing to a string succeeds.
        let _ = write!(Escape(&mut self.0), "{text}");
        self
    }

    /// Appends text in a style.
    pub(crate) fn styled(mut self, style: Style, text: impl fmt::Display) -> Self {
        let _ = write!(self.0, "{style}");
        self = self.text(text);
        let _ = write!(self.0, "{style:#}");
        self
    }

    /// Returns the line, with its styles as escape sequences.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escapes the characters that a terminal does not show as they are, line breaks included.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let _ = Escape(&mut shown).write_str(text);
    Cow::Owned(shown)
}

/// Escapes the same characters in a JSON text, whose value stays the same.
pub(crate) fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if is_hidden(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Shortens an id in the middle.
pub(crate) fn shortened(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    match letters.as_slice() {
        [a, b, c, d, e, f, .., u, v, w, x, y, z] if letters.len() > 14 => {
            [a, b, c, d, e, f, &'…', u, v, w, x, y, z].into_iter().collect()
        }
        _ => id.to_owned(),
    }
}

/// Returns whether a character controls a terminal, reorders text, or is invisible.
const fn is_hidden(letter: char) -> bool {
    matches!(
        letter,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Escapes what is written through it.
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                letter if is_hidden(letter) => write!(self.0, "{}", letter.escape_unicode())?,
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    /// Clears the screen, sets the title, reorders, hides and breaks lines.
    const HOSTILE: &str = "a\x1b[2J\x1b]0;t\x07\u{9b}31m\u{202e}b\u{2066}c\u{200b}d\r\n\t\x7f\u{2028}\u{e0041}é€";

    #[test]
    fn no_control_character_and_no_reordering_is_left() {
        let line = Line::new().text(HOSTILE).text(format_args!("{HOSTILE}"));
        for shown in [line.as_str(), &escaped(HOSTILE), &escaped_json(&serde_json::to_string(HOSTILE).unwrap())] {
            assert!(!shown.chars().any(is_hidden), "{shown:?}");
            assert!(shown.contains("é€"), "what can be shown is shown: {shown}");
        }
        assert!(line.as_str().starts_with("a\\u{1b}[2J\\u{1b}]0;t\\u{7}\\u{9b}31m\\u{202e}b"), "{}", line.as_str());
        assert_eq!(escaped("a\x1b\nb\r"), "a\\u{1b}\\nb\\r");
    }

    #[test]
    fn only_styles_are_escape_sequences() {
        let line = Line::new().styled(AnsiColor::Red.on_default(), "\x1b[0m");
        assert_eq!(line.as_str(), "\x1b[31m\\u{1b}[0m\x1b[0m");
    }

    #[test]
    fn json_keeps_its_value() {
        let json = serde_json::to_string(HOSTILE).unwrap();
        let escaped = escaped_json(&json);
        assert!(escaped.is_ascii() || escaped.contains("é€"));
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), HOSTILE);
        assert!(matches!(escaped_json("{\"a\":\"é\"}"), Cow::Borrowed(_)));
    }
}
