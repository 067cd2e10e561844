//! The test suite for the quickstarts, which behave as the README shows.

use std::path::Path;

use tempfile::TempDir;

use crate::connection::answer_to;
use crate::launch::Launch;
use crate::shop::{Ended, ShopProcess};
use crate::wait::until;

const README: &str = include_str!("../../../README.md");

/// Turns every case into a test for the quickstart at `$binary`.
#[macro_export]
macro_rules! quickstart_suite {
    ($binary:expr) => {
        #[test]
        fn the_readme_is_right() {
            $crate::run($crate::quickstart::the_readme_is_right($binary));
        }

        #[test]
        fn an_event_is_handled_once_across_restarts() {
            $crate::run($crate::quickstart::an_event_is_handled_once_across_restarts($binary));
        }

        #[test]
        fn a_health_check_is_a_get_or_a_head() {
            $crate::run($crate::quickstart::a_health_check_is_a_get_or_a_head($binary));
        }

        #[test]
        fn a_purchase_of_nobody_waits_for_an_operator() {
            $crate::run($crate::quickstart::a_purchase_of_nobody_waits_for_an_operator($binary));
        }
    };
}

/// The event, the reply, the printed line and the conflict are as the README shows them.
pub async fn the_readme_is_right(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = start(binary, &folder).await;
    for _ in 0..2 {
        let reply = quickstart.wert(event()).await;
        assert_eq!(reply.status, 200);
        assert!(README.contains(&format!("\n{}\n", String::from_utf8_lossy(&reply.body))));
    }
    has_printed(&quickstart, line()).await;
    quickstart.wert(event().replace("1271.39", "9000")).await.assert_received();
    assert_eq!(quickstart.get("/healthz").await.status, 200);
    let ended = quickstart.stop().await;
    assert_eq!(printed(&ended), [line()]);
    assert!(ended.stderr.contains("conflict"), "{}", ended.stderr);
}

/// The inbox and the purchases are in the folder in which the quickstart runs.
pub async fn an_event_is_handled_once_across_restarts(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = start(binary, &folder).await;
    quickstart.wert(event()).await.assert_received();
    has_printed(&quickstart, line()).await;
    drop(quickstart.stop().await);

    let quickstart = start(binary, &folder).await;
    quickstart.wert(event()).await.assert_received();
    let other = event().replace("01HBE0YY5SMKXXA4ZCM952HS90", "01HBE0YY5SMKXXA4ZCM952HS91").replace("customer-42", "customer-43");
    quickstart.wert(other).await.assert_received();
    let other = line().replace("customer-42", "customer-43");
    has_printed(&quickstart, &other).await;
    assert_eq!(printed(&quickstart.stop().await), [other]);
}

/// The route of the adapters has the same replies in all frameworks.
pub async fn a_health_check_is_a_get_or_a_head(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = start(binary, &folder).await;
    for (method, status, allow) in
        [("GET", 200, None), ("HEAD", 200, None), ("POST", 405, Some("GET, HEAD")), ("DELETE", 405, Some("GET, HEAD"))]
    {
        let reply = answer_to(quickstart.request(method, "/healthz")).await.unwrap();
        assert_eq!((reply.status, reply.header("allow")), (status, allow), "{method}");
    }
}

/// A purchase without a customer is stored for nobody, and nothing but the log shows it.
pub async fn a_purchase_of_nobody_waits_for_an_operator(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = start(binary, &folder).await;
    quickstart.wert(event().replace("customer-42", "")).await.assert_received();
    until("it is a dead letter", async || quickstart.log().contains("names no customer")).await;
    let ended = quickstart.stop().await;
    assert!(printed(&ended).is_empty(), "{ended:?}");
}

async fn start(binary: &str, folder: &TempDir) -> ShopProcess {
    Launch::new(Path::new(binary)).env("LISTEN", "127.0.0.1:0").folder(folder.path()).start().await
}

fn between(begin: &str, end: &str) -> &'static str {
    README.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

fn event() -> &'static str {
    between("curl http://127.0.0.1:8080/webhooks/wert/dev-secret -d '", "'")
}

fn line() -> &'static str {
    between("```text\n", "\n```")
}

async fn has_printed(quickstart: &ShopProcess, line: &str) {
    until(line, async || quickstart.process.stdout.all().iter().any(|printed| printed == line)).await;
}

/// Returns the lines after the first one, which contains the address.
fn printed(ended: &Ended) -> &[String] {
    &ended.stdout[1..]
}
