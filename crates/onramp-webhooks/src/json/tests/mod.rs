//! The tree compared with serde_json, and fingerprints compared with those of earlier versions.

mod old;

use std::borrow::Cow;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::DEEPEST;
use super::value::Value;
use super::{Json, spelled};
use crate::fingerprint::Fingerprint;

/// Returns JSON in unusual spellings, with repeated members, unpaired surrogates and numbers of any size.
fn json() -> impl Strategy<Value = String> {
    let string = prop::collection::vec(
        prop_oneof![
            6 => "[a-b !#\u{7f}é😀/]{0,3}",
            2 => r#"\\["\\/bfnrt]"#,
            2 => r"\\u00[0-7][0-9a-fA-F]",
            1 => r"\\u[dD][89abcdefABCDEF][0-9a-f]{2}",
            1 => r"\\ud83d\\u[dD]e[0-9]{2}",
        ],
        0..4,
    );
    let string = string.prop_map(|parts| format!("\"{}\"", parts.concat())).boxed();
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,12})?";
    let leaf = prop_oneof![Just("null".to_owned()), Just("true".into()), Just("false".into()), number, string.clone()];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let list = |open: char, part: BoxedStrategy<String>, close: char| {
            let parts = prop::collection::vec((part, "[ \n]?"), 0..6);
            let join = |parts: Vec<(String, String)>| parts.iter().map(|(part, space)| format!("{space}{part}{space}")).collect();
            parts.prop_map(move |parts| {
                let parts: Vec<String> = join(parts);
                format!("{open}{}{close}", parts.join(","))
            })
        };
        let member =
            (string.clone(), "[\t\r ]?", inner.clone()).prop_map(|(name, space, value)| format!("{name}{space}:{space}{value}"));
        prop_oneof![list('[', inner.boxed(), ']'), list('{', member.boxed(), '}')]
    })
}

/// Replaces a few characters, so that most texts are not JSON any more.
fn damaged() -> impl Strategy<Value = String> {
    let damage = (any::<prop::sample::Index>(), r#"[\[\]{},:"\\ 0-9.eE+\-tnu\u{0}\u{1f}é]?"#);
    (json(), prop::collection::vec(damage, 0..3)).prop_map(|(json, damages)| {
        let mut characters: Vec<String> = json.chars().map(String::from).collect();
        for (index, with) in damages {
            let at = index.index(characters.len());
            if let Some(character) = characters.get_mut(at) {
                *character = with;
            }
        }
        characters.concat()
    })
}

/// Members as serde_json reads them.
#[derive(Debug)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Checks a value and its children against serde_json.
fn check(value: Value<'_>) {
    let text = value.text();
    assert_eq!(serde_json::from_str::<&RawValue>(text).unwrap().get(), text);
    assert_eq!(value.string().as_deref(), serde_json::from_str::<Cow<'_, str>>(text).ok().as_deref(), "{text}");
    if value.is_array() {
        let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        assert!(value.elements().map(Value::text).eq(elements.iter().map(|element| element.get())), "{text}");
    } else if value.is_object() && value.members().all(|member| member.name().is_some()) {
        let Members(mut expected) = serde_json::from_str(text).unwrap();
        let mut found: Vec<_> = value.members().map(|member| (member.name().unwrap(), member.text())).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        expected.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert!(found.iter().map(|(name, text)| (&**name, *text)).eq(expected.iter().map(|(name, raw)| (&**name, raw.get()))));
        for (name, _) in expected {
            let (at, member) = value.member(&spelled(&name)).unwrap();
            assert_eq!((member.name().unwrap(), value.members().nth(at).unwrap().text()), (name, member.text()));
        }
    }
    value.members().chain(value.elements()).for_each(check);
}

/// Checks that a text is accepted as by serde_json, and has the fingerprint of earlier versions.
fn compare(text: &str) {
    let json = Json::parse(text);
    assert_eq!(json.is_some(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:.200}");
    assert!(json.is_none_or(|json| json.nodes.len() <= text.len() && json.spelled.len() <= 3 * text.len()));
    same_fingerprint(text.as_bytes());
}

fn same_fingerprint(body: &[u8]) {
    assert_eq!(Fingerprint::of(body).as_bytes(), &old::fingerprint(body), "{:.200}", String::from_utf8_lossy(body));
}

proptest! {
    #[test]
    fn a_tree_has_the_values_that_serde_json_reads(text in json()) {
        check(Json::parse(&text).unwrap().root());
        compare(&text);
    }

    #[test]
    fn a_damaged_text_is_accepted_as_by_serde_json(text in damaged()) {
        compare(&text);
    }

    #[test]
    fn any_bytes_have_the_fingerprint_of_earlier_versions(bytes: Vec<u8>, text in json(), at: prop::sample::Index) {
        same_fingerprint(&bytes);
        let mut body = text.into_bytes();
        let at = at.index(body.len());
        body.splice(at..at, bytes);
        same_fingerprint(&body);
    }
}

#[test]
fn texts_are_accepted_as_by_serde_json() {
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "{",
        "}",
        "[",
        "]",
        "[}",
        "{]",
        "{}}",
        "[]]",
        "{} {}",
        "[] ,",
        "[,]",
        "[1,]",
        "[1 2]",
        "[,1]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a" 1}"#,
        r#"{a:1}"#,
        r#"{1:1}"#,
        r#"{"a":1,1}"#,
        "'a'",
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "-",
        "+1",
        ".5",
        "5.",
        "5.e1",
        "1e",
        "1e+",
        "1e+1",
        "1E-400",
        "1e999999999999",
        "1.5.5",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "tru",
        "truee",
        "true1",
        "nullnull",
        "null",
        " null ",
        "\x0cnull",
        "\u{a0}1",
        "1\u{0}",
        r#"""#,
        r#"""""#,
        r#""\"#,
        r#""\""#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12G4""#,
        r#""\u+123""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        "\"\t\"",
        "\"\u{7f}\"",
        "\"\u{1f}\"",
        "\"\u{2028}\"",
        "\"long enough for a word\u{1f} and more\"",
        "\"long enough for a w\u{e9}\u{0}rd and more\"",
        r#""long enough for a \"word\" and more""#,
        r#"{"\ud800":1,"\ud800":2}"#,
        r#"{"a":1,"\u0061":2}"#,
    ] {
        compare(text);
    }
}

#[test]
fn members_are_hashed_in_the_order_of_earlier_versions() {
    for text in [
        r#"{"a b":1,"a":2,"a!":3,"a\"":4,"a#":5,"":6}"#,
        r#"{"a\u0000":1,"a":2,"a\\":3,"a]":4,"aé":5}"#,
        r#"{"\ud800":1,"\\ud800":2,"\ud83d\ude00":3,"😀":4,"z":5}"#,
        r#"{"b":1,"a":2,"b":{"d":1,"c":[{"f":1,"e":2}]},"a":3}"#,
    ] {
        compare(text);
        // Objects with many members are sorted in another way.
        let fillers: Vec<String> = (0..20).map(|n| format!("\"y{n:02}\":{n}")).collect();
        compare(&text.replacen('{', &format!("{{{},", fillers.join(",")), 1));
    }
}

#[test]
fn junk_is_scanned_in_constant_stack_space() {
    let size = 1 << 16;
    let nested = |open: &str, times: usize, close: &str| format!("{}0{}", open.repeat(times), close.repeat(times));
    let listed = |open: &str, part: &str, close: &str| format!("{open}{}{close}", vec![part; size / (part.len() + 1)].join(","));
    let numbered: Vec<String> = (0..size / 16).rev().map(|n| format!(r#""\u0061{n:06}":[]"#)).collect();
    for text in [
        "[".repeat(size),
        "{".repeat(size),
        r#"{"":"#.repeat(size / 4),
        "[{\"\":".repeat(size / 5),
        nested("[", size / 2, "]"),
        nested(r#"{"":"#, size / 5, "}"),
        nested(r#"[{"a":"#, size / 8, "}]"),
        format!("[{}]", vec![nested("[", 200, "]"); 2_000].join(",")),
        listed("[", "0", "]"),
        listed("[", r#"[ 0, {"b":[{}],"a":[]},"\u0041"]"#, "]"),
        listed("{", r#""":0"#, "}"),
        listed("{", r#""\ud800":"\n""#, "}"),
        format!("{{{}}}", numbered.join(",")),
        format!(r#"{{"{}":1}}"#, "k".repeat(size)),
        format!(r#"{{"{}":1}}"#, r"\u0000".repeat(size / 6)),
        "9".repeat(size),
        format!("\"{}", "\\".repeat(size)),
        " ".repeat(size),
    ] {
        compare(&text);
    }
}

#[test]
fn only_so_many_levels_are_in_the_tree() {
    let text = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in DEEPEST - 1..DEEPEST + 3 {
        let text = text(levels);
        let json = Json::parse(&text).unwrap();
        assert_eq!((json.nodes.len(), json.canonical().is_none()), (levels.min(DEEPEST + 1), levels > DEEPEST));
        compare(&text);
    }
}
