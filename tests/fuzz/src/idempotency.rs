//! `Idempotency-Key` headers and replies: a key has one meaning in every spelling, and a stored reply comes back to the byte.

use std::sync::Arc;

use onramp_webhooks::Reply;
use onramp_webhooks::adapter::{Claim, Full, Idempotency, Request, StoredBody};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::idempotency::{MemoryIdempotencyStore, Scope};

use crate::parts;
use crate::runtime::block_on;

/// The first byte chooses the status of the route. The first line is the key, the second a header, and the rest the bodies.
pub(crate) fn run(input: &[u8]) {
    let (status, rest) = parts::first(input);
    let status = [200, 201, 204, 299, 302, 303, 404, 409, 500, 503][usize::from(status) % 10];
    let (key, rest) = parts::two(rest);
    let (header, body) = parts::two(rest);
    if let (Ok(key), Ok(header)) = (str::from_utf8(key), str::from_utf8(header)) {
        block_on(check(status, key, header, body));
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\0\"8e03978e-40d5\"\n/orders/7\n{\"a\":1}",
        "\x018e03978e-40d5\n\n",
        "\x02\"a \\\"b\\\" \\\\ c, d;e\"\n\u{e9}\nbody",
        "\x04\"a\"; b=1;*c-d=\"x y\"\nx\n\0\u{1}",
        "\x06a/b=c\nx\n",
        "\0a b\n\n",
        "\0\"a\" ;b\n\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Ran,
    Answered(Reply),
}

struct Shop {
    idempotency: Idempotency,
    status: u16,
    header: String,
}

impl Shop {
    /// Sends a request, whose route answers with its body.
    async fn send(&self, key: &str, body: &[u8]) -> Outcome {
        let headers = [("idempotency-key", key)];
        let keyed = self.idempotency.lookup(&Request::new("POST", "/pay", None, &headers)).unwrap();
        match keyed.claim(Full::new(body.to_vec())).await {
            Claim::Answer(reply) => Outcome::Answered(reply),
            Claim::Run(received, guard) => {
                assert_eq!(received, body);
                let headers = [("location", self.header.as_str()), ("set-cookie", "for-one-client")];
                match guard.store(self.status, &headers, Full::new(body.to_vec())).await {
                    StoredBody::Whole(whole) => assert!(is_success(self.status) && whole == body),
                    StoredBody::Untouched(_) => assert!(!is_success(self.status)),
                    StoredBody::Rejoined(_) => panic!("the body is small"),
                }
                Outcome::Ran
            }
        }
    }
}

fn is_success(status: u16) -> bool {
    matches!(status, 200..=299 | 301..=303)
}

async fn check(status: u16, key: &str, header: &str, body: &[u8]) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let idempotency = Idempotency::by_header(MemoryIdempotencyStore::new(), Scope::everyone()).clock(clock).build().unwrap();
    let shop = Shop { idempotency, status, header: header.to_owned() };
    let meaning = meaning(key);
    match shop.send(key, body).await {
        Outcome::Answered(reply) => {
            assert_eq!((reply.status(), &meaning), (400, &None), "{key:?}");
            return;
        }
        Outcome::Ran => assert!(meaning.is_some(), "{key:?}"),
    }
    let meaning = meaning.unwrap();
    let quoted = format!("\"{}\"", meaning.replace('\\', "\\\\").replace('"', "\\\""));
    for key in [key, &quoted] {
        match shop.send(key, body).await {
            Outcome::Ran => assert!(!is_success(status), "a success is not repeated"),
            Outcome::Answered(reply) => check_replayed(&reply, status, header, body),
        }
        let other = shop.send(key, &[body, b"!"].concat()).await;
        assert_eq!(matches!(&other, Outcome::Answered(reply) if reply.status() == 422), is_success(status), "{other:?}");
    }
    let other = format!("{}!\"", quoted.strip_suffix('"').unwrap());
    assert!(meaning.len() == 255 || shop.send(&other, body).await == Outcome::Ran, "another key runs");
}

fn check_replayed(reply: &Reply, status: u16, header: &str, body: &[u8]) {
    assert!(is_success(status) && reply.status() == status && reply.body() == body, "{reply:?}");
    let headers: Vec<_> = reply.headers().collect();
    assert_eq!(headers, [("idempotent-replayed", &b"true"[..]), ("location", header.as_bytes())]);
}

/// Returns the key that a header means (RFC 8941, section 3.3.3), or the same without quotes; `None` if it is not one.
fn meaning(header: &str) -> Option<String> {
    let header = header.trim_matches([' ', '\t']);
    let key = match header.strip_prefix('"') {
        Some(quoted) => string(quoted).and_then(|(key, rest)| are_parameters(rest).then_some(key))?,
        None => {
            Some(header.to_owned()).filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;".contains(&byte)))?
        }
    };
    (1..=255).contains(&key.len()).then_some(key)
}

/// Returns the content of a string without its escapes, and the text behind it.
fn string(quoted: &str) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return Some((content, rest.as_str())),
            '\\' => content.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain @ ' '..='~' => content.push(plain),
            _ => return None,
        }
    }
}

/// Returns whether a text consists of parameters. Their values are not checked further, because they have no meaning.
fn are_parameters(text: &str) -> bool {
    let mut rest = text;
    while let Some(parameter) = rest.strip_prefix(';') {
        let parameter = parameter.trim_start_matches(' ');
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
        let end = parameter.bytes().position(|byte| !is_name(byte)).unwrap_or(parameter.len());
        if !parameter.starts_with(|first: char| first.is_ascii_lowercase() || first == '*') {
            return false;
        }
        rest = &parameter[end..];
        if let Some(value) = rest.strip_prefix('=') {
            let Some(after) = after_value(value) else { return false };
            rest = after;
        }
    }
    rest.is_empty()
}

fn after_value(value: &str) -> Option<&str> {
    if let Some(quoted) = value.strip_prefix('"') {
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => return Some(&quoted[at + 1..]),
                '\\' => drop(characters.next()),
                _ => {}
            }
        }
        return None;
    }
    let end = value.bytes().position(|byte| !byte.is_ascii_graphic() || b"\",;".contains(&byte)).unwrap_or(value.len());
    (end > 0).then(|| &value[end..])
}
