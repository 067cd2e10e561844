//! Bodies as JSON in lines.

use super::fields::{PublicFields, Step, members, name, shown, shown_name};
use crate::json::Value;

/// Maximum length of a text, in bytes.
const LONGEST_TEXT: usize = 256 << 10;

/// Writes a value and its children.
pub(super) struct Writer<'a> {
    public: &'a PublicFields,
    text: String,
    is_cut: bool,
}

impl<'a> Writer<'a> {
    /// Returns the text of a value. The second part is `true` if it was cut.
    pub(super) fn write(public: &'a PublicFields, value: Value<'_>) -> (String, bool) {
        let mut writer = Self { public, text: String::new(), is_cut: false };
        writer.value(value, &mut Vec::new());
        (writer.text, writer.is_cut)
    }

    fn value<'t>(&mut self, value: Value<'t>, path: &mut Vec<Step<'t>>) {
        if value.is_too_deep() || !(value.is_object() || value.is_array()) {
            return self.push(&shown(value, self.public.contains(path, value)));
        }
        let (open, close) = if value.is_object() { ("{", "}") } else { ("[", "]") };
        self.push(open);
        let mut is_first = true;
        let mut child = |writer: &mut Self, step: Step<'t>, child: Value<'t>| {
            writer.push(if is_first { "\n" } else { ",\n" });
            is_first = false;
            writer.indent(path.len() + 1);
            if let Step::Member(name) = &step {
                writer.name(name);
            }
            path.push(step);
            writer.value(child, path);
            path.pop();
            !writer.is_cut
        };
        if value.is_object() {
            let _ = members(value).into_iter().all(|member| child(self, Step::Member(name(member)), member));
        } else {
            let _ = value.elements().enumerate().all(|(index, element)| child(self, Step::Element(index), element));
        }
        if !is_first {
            self.push("\n");
            self.indent(path.len());
        }
        self.push(close);
    }

    fn name(&mut self, name: &str) {
        let shown = shown_name(self.public, name);
        self.push(&serde_json::Value::from(shown.as_ref()).to_string());
        self.push(": ");
    }

    fn indent(&mut self, depth: usize) {
        (0..depth).for_each(|_| self.push("  "));
    }

    fn push(&mut self, text: &str) {
        self.is_cut = self.is_cut || self.text.len() + text.len() > LONGEST_TEXT;
        if !self.is_cut {
            self.text.push_str(text);
        }
    }
}
