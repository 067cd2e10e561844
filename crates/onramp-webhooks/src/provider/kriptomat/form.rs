//! Form-encoded bodies. Kriptomat does not document its content type.

use serde::{Serializer as _, ser::SerializeMap as _};

/// Converts a form with a `uuid` to a JSON object; `None` if `text` is not such a form.
///
/// Repeated names are kept, so that they are refused when the JSON is read.
pub(super) fn to_json(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let is_form = !text.starts_with(['{', '[', '"']) && pairs(text).any(|(name, value)| name == "uuid" && !value.is_empty());
    if !is_form {
        return None;
    }
    let mut json = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut json);
    let mut object = writer.serialize_map(None).ok()?;
    pairs(text).try_for_each(|(name, value)| object.serialize_entry(&name, &value)).ok()?;
    object.end().ok()?;
    String::from_utf8(json).ok()
}

fn pairs(text: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_with_a_uuid_are_converted() {
        assert_eq!(to_json("uuid=a%20b&x=1+2&x=&\n").as_deref(), Some(r#"{"uuid":"a b","x":"1 2","x":""}"#));
        for other in ["", "uuid", "uuid=", "x=1", "{&uuid=1", "[&uuid=1", "\"&uuid=1\""] {
            assert_eq!(to_json(other), None, "{other}");
        }
    }
}
