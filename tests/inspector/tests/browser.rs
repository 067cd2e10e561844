//! The page in a headless browser, on every adapter. `cargo xtask test` skips tests with `in_browser` in their names where Chromium, Node or
//! `playwright-core` is missing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use onramp_webhooks_inspector_tests::{Adapter, Controlled, Shop, TOKEN};

/// Runs a script. Pictures are left in `target/screenshots`.
async fn runs(script: &str, adapter: Adapter, arguments: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let pictures = root.join("target/screenshots");
    std::fs::create_dir_all(&pictures).unwrap();
    let steps = std::fs::read_to_string(here.join(script)).unwrap().matches("\nawait step(").count();
    let address = adapter.serve(Controlled::new(Shop::open().await), "127.0.0.1:0");
    let mut command = Command::new("node");
    command
        .arg(here.join(script))
        .arg(format!("http://{address}/inspect/#k={TOKEN}"))
        .arg(pictures)
        .arg(root.join("target/tools/browser").canonicalize().unwrap())
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (lines, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{lines}{complaints}");
    assert!(steps > 0 && lines.lines().filter(|line| line.starts_with("ok ")).count() == steps, "{steps} steps: {lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_axum() {
    runs("operate.mjs", Adapter::Axum, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_actix() {
    runs("operate.mjs", Adapter::Actix, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_in_browser_on_warp() {
    runs("operate.mjs", Adapter::Warp, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_follows_its_shop_in_browser_on_axum() {
    runs("live.mjs", Adapter::Axum, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_follows_its_shop_in_browser_on_actix() {
    runs("live.mjs", Adapter::Actix, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_follows_its_shop_in_browser_on_warp() {
    runs("live.mjs", Adapter::Warp, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_and_endpoints_are_seen_in_browser_on_axum() {
    runs("traffic.mjs", Adapter::Axum, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_and_endpoints_are_seen_in_browser_on_actix() {
    runs("traffic.mjs", Adapter::Actix, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_and_endpoints_are_seen_in_browser_on_warp() {
    runs("traffic.mjs", Adapter::Warp, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_accessible_in_browser_on_a_phone() {
    runs("views.mjs", Adapter::Axum, &["phone"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_accessible_in_browser_on_a_wide_screen() {
    runs("views.mjs", Adapter::Axum, &["wide"]).await;
}
