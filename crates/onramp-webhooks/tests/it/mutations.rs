//! Every documented body and its mutations: each reply is right, and nothing is lost.

use std::fs;
use std::path::Path;

use onramp_webhooks::Delivery;
use onramp_webhooks::inbox::{MemoryInbox, QuarantineBound, Settled, State};
use onramp_webhooks::provider::Providers;
use serde_json::{Map, Value, json};

use crate::tools::{Door, says};

/// A body that differs from a documented one in one way.
struct Mutation {
    what: String,
    body: Vec<u8>,
    headers: &'static [(&'static str, &'static str)],
    /// Set while the body must still be readable.
    readable: bool,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

impl Mutation {
    fn new(what: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), body: body.into(), headers: JSON, readable: false }
    }

    fn readable(self) -> Self {
        Self { readable: true, ..self }
    }
}

fn fixtures(provider: &'static str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(provider);
    let mut fixtures: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    fixtures.sort();
    fixtures
}

/// All mutations of any body, JSON or not.
fn of_bytes(body: &[u8]) -> Vec<Mutation> {
    let with = |position: usize, bytes: &[u8]| [&body[..position], bytes, &body[position..]].concat();
    let mut all = vec![
        Mutation::new("nothing", body).readable(),
        Mutation::new("byte-order mark", with(0, b"\xef\xbb\xbf")).readable(),
        Mutation::new("white space around", [b" \r\n\t", body, b"\n\n"].concat()).readable(),
        Mutation::new("two byte-order marks", with(0, b"\xef\xbb\xbf\xef\xbb\xbf")),
        Mutation::new("UTF-16", utf16(body)),
        Mutation::new("empty", ""),
        Mutation::new("twice", [body, body].concat()),
        Mutation::new("in an array", [b"[", body, b"]"].concat()),
    ];
    all.extend((0..body.len()).step_by(body.len() / 60 + 1).map(|end| Mutation::new(format!("cut at {end}"), &body[..end])));
    for position in (0..=body.len()).step_by(body.len() / 8 + 1) {
        for bytes in [b"\xff".as_slice(), b"\0", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"] {
            all.push(Mutation::new(format!("{bytes:x?} at {position}"), with(position, bytes)));
        }
    }
    let contents: [&[(&str, &str)]; 6] = [
        &[],
        &[("content-type", "")],
        &[("content-type", "text/plain; charset=iso-8859-1")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/json"), ("content-type", "image/png")],
    ];
    all.extend(
        contents.into_iter().map(|headers| Mutation { headers, ..Mutation::new(format!("{headers:?}"), body).readable() }),
    );
    all
}

fn utf16(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The replacements of a value.
enum Text {
    Value(Value),
    Raw(String),
    Twice(Value, Value),
}

/// All mutations of one value of a JSON body: what stands at each place, and what should stand there instead.
fn of_json(body: &Value) -> Vec<Mutation> {
    let mut places = Vec::new();
    collect(body, &mut Vec::new(), &mut places);
    let mut all = Vec::new();
    for place in places {
        let name = place.join(".");
        let value = at(body, &place);
        let mut instead = vec![
            ("missing", None),
            ("null", Some(Text::Value(Value::Null))),
            ("true", Some(Text::Value(true.into()))),
            ("a number", Some(Text::Value(7.into()))),
            ("a negative fraction", Some(Text::Raw("-0.5".into()))),
            ("a huge exponent", Some(Text::Raw("1e999999999".into()))),
            ("a huge exponent in a string", Some(Text::Value("1e-999999999".into()))),
            ("many digits", Some(Text::Raw("9".repeat(40)))),
            ("an unknown string", Some(Text::Value("quite new".into()))),
            ("an empty string", Some(Text::Value("".into()))),
            ("a long string", Some(Text::Value("long ".repeat(500).into()))),
            ("a lone surrogate", Some(Text::Raw(r#""\ud800""#.into()))),
            ("a NUL", Some(Text::Value("a\0b".into()))),
            ("an array", Some(Text::Value(json!([value])))),
            ("an empty array", Some(Text::Value(json!([])))),
            ("an object", Some(Text::Value(json!({"value": value})))),
            ("an empty object", Some(Text::Value(json!({})))),
            ("nested 100 deep", Some(Text::Raw(nested(100)))),
            ("nested 1 000 deep", Some(Text::Raw(nested(1_000)))),
            ("NaN", Some(Text::Raw("NaN".into()))),
            ("given twice", Some(Text::Twice(value.clone(), value.clone()))),
            ("given twice, null first", Some(Text::Twice(Value::Null, value.clone()))),
            ("given twice, another value behind", Some(Text::Twice(value.clone(), "another".into()))),
        ];
        match value {
            Value::String(text) => {
                let number = text.parse::<f64>().map_or("12345".into(), |_| text.clone());
                instead.push(("a number for a string", Some(Text::Raw(number))));
                instead.push(("upper case", Some(Text::Value(text.to_uppercase().into()))));
                instead.push(("space around", Some(Text::Value(format!(" {text} ").into()))));
            }
            Value::Number(number) => instead.push(("a string for a number", Some(Text::Value(number.to_string().into())))),
            _ => {}
        }
        for (what, instead) in instead {
            all.push(Mutation::new(format!("{name} {what}"), spell(body, &place, instead.as_ref())));
        }
    }
    for place in objects(body) {
        let mut extra = place.clone();
        extra.push("quite_new_field".into());
        for (what, value) in [("text", json!("new")), ("null", Value::Null), ("object", json!({"a": [1.5, {"b": "c"}]}))] {
            let body = spell(body, &extra, Some(&Text::Value(value)));
            all.push(Mutation::new(format!("extra {} {what}", extra.join(".")), body).readable());
        }
    }
    all
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// The path of every member of every object, at every depth.
fn collect(value: &Value, path: &mut Vec<String>, places: &mut Vec<Vec<String>>) {
    let Value::Object(members) = value else { return };
    for (name, member) in members {
        path.push(name.clone());
        places.push(path.clone());
        collect(member, path, places);
        path.pop();
    }
}

fn objects(body: &Value) -> Vec<Vec<String>> {
    let mut places = Vec::new();
    collect(body, &mut Vec::new(), &mut places);
    places.retain(|place| at(body, place).is_object());
    places.push(Vec::new());
    places
}

fn at<'a>(body: &'a Value, place: &[String]) -> &'a Value {
    place.iter().fold(body, |value, name| &value[name])
}

/// The body as text, with something else at `place`, which may be a new one.
fn spell(body: &Value, place: &[String], instead: Option<&Text>) -> String {
    let Some((name, deeper)) = place.split_first() else { return body.to_string() };
    let none = Map::new();
    let members = body.as_object().unwrap_or(&none);
    let mut parts = Vec::new();
    let mut names: Vec<&String> = members.keys().collect();
    if !names.contains(&name) {
        names.push(name);
    }
    for member in names {
        let key = Value::from(member.as_str());
        if member != name {
            parts.push(format!("{key}:{}", members[member]));
        } else if !deeper.is_empty() {
            parts.push(format!("{key}:{}", spell(&members[member], deeper, instead)));
        } else {
            match instead {
                None => {}
                Some(Text::Value(value)) => parts.push(format!("{key}:{value}")),
                Some(Text::Raw(text)) => parts.push(format!("{key}:{text}")),
                Some(Text::Twice(first, second)) => parts.extend([format!("{key}:{first}"), format!("{key}:{second}")]),
            }
        }
    }
    format!("{{{}}}", parts.join(","))
}

/// Sends every mutation of every body to a door of its own, and to one that they share.
async fn try_all(provider: &'static str) {
    let (mut sent, mut read) = (0, 0);
    for (file, body) in fixtures(provider) {
        let mut mutations = of_bytes(&body);
        if let Ok(json) = serde_json::from_slice(&body) {
            mutations.extend(of_json(&json));
        }
        if sent == 0 {
            mutations.push(Mutation::new("2 MiB of space behind", [body.as_slice(), &vec![b' '; 2 << 20]].concat()));
            mutations.push(Mutation::new("2 MiB of x", vec![b'x'; 2 << 20]));
        }
        let shared = door(provider);
        for mutation in &mutations {
            let name = format!("{file}: {}", mutation.what);
            read += usize::from(alone(&door(provider), mutation, &name).await);
            answered(&shared, mutation, &name).await;
        }
        assert_eq!(total(&shared).await, mutations.len() as u64, "{file}: all are kept or counted, and none twice");
        let kept = [State::Pending, State::Quarantined, State::Conflict];
        assert!(shared.states().await.iter().all(|state| kept.contains(state)), "{file}");
        sent += mutations.len();
    }
    println!("{provider}: {sent} bodies, {read} could be read");
    assert!(sent > 1_000 && read > sent / 10 && read < sent * 9 / 10, "{read} of {sent} bodies could be read");
}

fn door(provider: &'static str) -> Door {
    Door::new(provider, MemoryInbox::with_quarantine(QuarantineBound::new(u32::MAX, u64::MAX)), |builder| builder)
}

/// Sends it twice to an empty inbox: it is handled, or kept for people, and told so. Answers whether it could be read.
async fn alone(door: &Door, mutation: &Mutation, name: &str) -> bool {
    let status = answered(door, mutation, name).await;
    let record = door.only().await;
    let read = record.state == State::Pending;
    assert!(read || record.state == State::Quarantined, "{name}: {record:?}");
    assert!(read || !mutation.readable, "{name}: should be read, but: {:?}", record.note);
    assert!(read || record.note.is_some_and(|note| !note.is_empty()), "{name}: nobody will know why");
    let cut = mutation.body.len() > 1 << 20;
    assert!(record.body.unwrap() == mutation.body[..mutation.body.len().min(1 << 20)], "{name}: not to the byte");
    assert_eq!(status, if read { 200 } else { door.expected(200, if cut { 413 } else { 400 }) }, "{name}");

    assert_eq!(answered(door, mutation, name).await, status, "{name}: the same answer to a duplicate");
    assert_eq!(total(door).await, 2, "{name}");
    handle_all(door, name).await;
    assert_eq!(door.states().await.contains(&State::Handled), read, "{name}");
    read
}

async fn answered(door: &Door, mutation: &Mutation, name: &str) -> u16 {
    let reply = door.send("POST", &door.path, None, mutation.headers, mutation.body.clone()).await;
    assert!(door.provider != "wert" || reply.status() == 200, "{name}: {}", reply.status());
    says(&reply, reply.status());
    reply.status()
}

/// Counts the requests that the inbox has recorded.
async fn total(door: &Door) -> u64 {
    door.kept().await.iter().map(|record| 1 + record.duplicates).sum()
}

/// Handles what is due; then everything is handled, or waits for people.
async fn handle_all(door: &Door, name: &str) {
    for claimed in door.claim().await {
        let delivery = Delivery::read(claimed.clone(), &Providers::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(delivery.raw(), &claimed.body);
        assert!(delivery.event().type_label() != "test" || delivery.event().completed_purchase() == Ok(None), "{name}");
        door.settle(&claimed, Settled::Handled).await;
    }
    assert!(door.states().await.iter().all(|state| [State::Handled, State::Quarantined].contains(state)), "{name}");
}

#[tokio::test]
async fn wert_answers_200_to_everything_and_nothing_vanishes() {
    try_all("wert").await;
}

#[tokio::test]
async fn kriptomat_tells_what_it_could_not_read_and_nothing_vanishes() {
    try_all("kriptomat").await;
}
