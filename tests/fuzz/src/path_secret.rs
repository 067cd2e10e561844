//! Path secrets: a path opens an endpoint if, and only if, it has one of the secrets, with any characters percent-encoded.

use std::sync::Arc;

use onramp_webhooks::adapter::{Full, Request};
use onramp_webhooks::clock::{ManualClock, Timestamp};
use onramp_webhooks::inbox::{Inbox, MemoryInbox};
use onramp_webhooks::{Receiver, Wert};

use crate::parts;
use crate::runtime::block_on;

const SECRETS: [&str; 2] = ["s3cret-for-fuzzing", "second~secret.of_16"];

/// A path, and a secret in the second line.
pub(crate) fn run(input: &[u8]) {
    let (path, secret) = parts::two(input);
    if let Ok(path) = str::from_utf8(path) {
        block_on(check_path(path));
    }
    if let Ok(secret) = str::from_utf8(secret) {
        check_secret(secret);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "/wert/s3cret-for-fuzzing\ns3cret-for-fuzzing",
        "wert/s3cret%2Dfor%2dfuzzing/\n0123456789abcdef ",
        "/wert/second~secret.of_16\nshort",
        "/wert/second%7Esecret.of_16//\n0123456789%61bcdef",
        "/wert\n",
        "/wert/\n\u{e9}",
        "/other/s3cret-for-fuzzing",
        "/wert/s3cret-for-fuzzing%",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

async fn check_path(path: &str) {
    let inbox = Arc::new(MemoryInbox::new());
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let receiver = Receiver::builder(Arc::clone(&inbox)).endpoint(Wert::with_path_secrets(SECRETS)).clock(clock).build().unwrap();
    let request = Request::new("POST", path, None, &[]);
    let status = receiver.receive(&request, Full::new(r#"{"type":"login","click_id":"1"}"#)).await.status();
    assert_eq!(status, if opens(path) { 200 } else { 404 }, "{path}");
    let kept: u64 = inbox.counts().await.unwrap().iter().map(|(_, count)| count).sum();
    assert_eq!(kept, u64::from(opens(path)), "{path}");
    drop(receiver);
    // The task of its watchdog ends here. Otherwise, those of all inputs would wait for a turn.
    tokio::task::yield_now().await;
}

/// Returns whether a path is the endpoint's name and one of its secrets, with at most one slash at each end.
fn opens(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let Some(secret) = path.strip_prefix("wert/") else { return false };
    let secret = decoded(secret.strip_suffix('/').unwrap_or(secret).as_bytes());
    SECRETS.iter().any(|known| known.as_bytes() == secret)
}

fn decoded(text: &[u8]) -> Vec<u8> {
    match text {
        [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
            let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
            [vec![digit(high) * 16 + digit(low)], decoded(rest)].concat()
        }
        [first, rest @ ..] => [vec![*first], decoded(rest)].concat(),
        [] => Vec::new(),
    }
}

/// Checks that exactly the secrets that a path can contain as they are can be used, and that no error shows one.
fn check_secret(secret: &str) {
    let endpoint = Wert::with_path_secret(secret);
    let unreserved = |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    let checked = endpoint.check_secrets();
    assert_eq!(checked.is_ok(), secret.len() >= 16 && secret.chars().all(unreserved), "{secret:?}");
    assert_eq!(Receiver::builder(MemoryInbox::new()).endpoint(endpoint).build().is_ok(), checked.is_ok());
    let hidden: String = secret.chars().map(|character| if unreserved(character) { 'x' } else { character }).collect();
    assert_eq!(shown(secret), shown(&hidden), "nothing shows a secret");
}

fn shown(secret: &str) -> String {
    let endpoint = Wert::with_path_secret(secret);
    let built = Receiver::builder(MemoryInbox::new()).endpoint(endpoint.clone()).build();
    format!("{endpoint:?} {:?} {}", endpoint.check_secrets(), built.err().map_or_else(String::new, |error| error.to_string()))
}
